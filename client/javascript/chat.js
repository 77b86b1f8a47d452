/* Chat: messages that are there once, files of any size, and news of which nothing is missed and nothing comes twice. */

import { ApiError, SignInNeeded } from "./errors.js";
import { Following } from "./following.js";
import { given } from "./files.js";
import { ChatSocket } from "./chat_socket.js";
import { encodeLabel, encodeName, newKey } from "./session.js";

/** @typedef {import("./index.js").Message} Message */
/** @typedef {import("./index.js").Chat} Declared */

const FOLDER = "transfer-sending"; // where a file lies until it is a message's
const PAGE = 100;

/** @implements {Declared} */
export class Chat {
  #session;
  #upload;
  #socket;
  /** @type {Set<Following>} */
  #followings = new Set();

  /**
   * @param {import("./session.js").Session} session
   * @param {(source: import("./index.js").UploadSource, options: import("./index.js").UploadOptions) => import("./index.js").Upload} upload
   */
  constructor(session, upload) {
    this.#session = session;
    this.#upload = upload;
    this.#socket = new ChatSocket(session, (conversationId) => {
      for (const each of this.#followings) if (!conversationId || each.conversationId === conversationId) each.catchUp();
    });
  }

  get isConnected() {
    return this.#socket.isConnected;
  }

  /** @param {{ transports?: ("polling" | "websocket")[] }} [options] */
  connect(options) {
    return this.#socket.connect(options);
  }

  close() {
    this.#socket.close();
    for (const each of this.#followings) each.close();
    this.#followings.clear();
  }

  /** @template {keyof import("./index.js").ChatEvents} E @param {E} event @param {(data: import("./index.js").ChatEvents[E]) => void} listener */
  on(event, listener) {
    return this.#socket.on(event, listener);
  }

  /** @returns {AsyncIterableIterator<import("./index.js").Conversation>} */
  async *conversations() {
    for await (const page of this.#session.pages("/conversations", { limit: PAGE })) yield* page.conversations;
  }

  /** @param {string} conversationId @returns {Promise<import("./index.js").Conversation>} */
  conversation(conversationId) {
    return this.#session.json("GET", "/conversations/info", { query: { conversation_id: conversationId } });
  }

  /** @param {string} account @returns {Promise<string>} */
  async open(account) {
    return (await this.#session.json("POST", "/conversations/create", { json: { email: account }, isRepeatable: true })).conversation_id;
  }

  /** @param {string} name @param {string[]} participants @returns {Promise<string>} */
  async createGroup(name, participants) {
    return (await this.#session.json("POST", "/conversations/create/group", { json: { group_name: name, participants } })).conversation_id;
  }

  /** @param {string} conversationId @returns {AsyncIterableIterator<Message>} */
  async *history(conversationId) {
    for (let before; ; ) {
      const query = { conversation_id: conversationId, limit: PAGE, before };
      /** @type {{ messages: Message[] }} */
      const { messages } = await this.#session.json("GET", "/messages/get", { query });
      yield* messages;
      if (messages.length < PAGE) return;
      before = messages.at(-1)?._id;
    }
  }

  /** @param {string} conversationId @param {import("./index.js").Listener} onMessages @param {import("./index.js").FollowOptions} [options] */
  async follow(conversationId, onMessages, options = {}) {
    const following = new Following(this.#session, conversationId, onMessages, options, () => this.#followings.delete(following));
    this.#followings.add(following);
    try {
      await following.begin();
    } catch (error) {
      following.close();
      throw error;
    }
    return following;
  }

  /** @param {string} conversationId @param {string} content @param {import("./index.js").SendOptions} [options] @returns {Promise<Message>} */
  send(conversationId, content, { replyTo, key = newKey() } = {}) {
    return this.#post({ conversation_id: conversationId, content, reply_to: replyTo }, key);
  }

  /** @param {string} conversationId @param {import("./index.js").UploadSource} source @param {import("./index.js").SendFileOptions} [options] @returns {Promise<Message>} */
  async sendFile(conversationId, source, { content, replyTo, key = newKey(), ...options } = {}) {
    const as = await this.#session.account();
    const kept = this.#session.keyOf(`sending ${as ?? ""} ${key}`);
    const folder = `${FOLDER}/key-${encodeURIComponent(key)}`; // so that it is a name, whatever the key is
    let fileId = await this.#session.memory.getItem(kept);
    if (!fileId) {
      await this.conversation(conversationId); // a refusal comes before the bytes
      const name = options.name ?? /** @type {{ name?: string }} */ (source).name ?? "file";
      fileId = (await this.#upload(source, { ...options, name: `${folder}/${name.split("/").pop()}` }).done).file_id;
      await this.#session.memory.setItem(kept, fileId);
    }
    const fields = { conversation_id: conversationId, file_id: fileId, content, reply_to: replyTo };
    try {
      const message = await this.#post(fields, key, { as, signal: options.signal });
      await this.#tidy(kept, [folder, FOLDER], as);
      return message;
    } catch (problem) {
      if (!(problem instanceof ApiError) || problem instanceof SignInNeeded || problem.status >= 500) throw problem;
      await this.#session.json("DELETE", `/api/files/${encodeLabel(fileId)}`, { query: { permanent: true }, as }).catch(() => {});
      await this.#tidy(kept, [folder, FOLDER], as);
      throw problem;
    }
  }

  /** @param {string | Message} message @param {string} content */
  edit(message, content) {
    return this.#change(message, { content });
  }

  /** @param {string | Message} message */
  pin(message, pinned = true) {
    return this.#change(message, { pinned });
  }

  /** @param {string | Message} message @returns {Promise<void>} */
  async delete(message) {
    await this.#session.json("DELETE", `/messages/${idOf(message)}`);
  }

  /** @param {string} conversationId @returns {Promise<void>} */
  async markRead(conversationId) {
    await this.#session.json("POST", `/conversations/${encodeLabel(conversationId)}/read`, { isRepeatable: true });
  }

  /** @param {string} conversationId */
  typing(conversationId, isTyping = true) {
    this.#socket.emit(isTyping ? "typing" : "stop_typing", { conversation_id: conversationId });
  }

  /** @param {string} kept @param {string[]} folders @param {string} [as] */
  async #tidy(kept, folders, as) {
    await this.#session.memory.removeItem(kept);
    for (const path of folders) {
      await this.#session.json("DELETE", `/api/folders/${encodeName(path)}`, { as }).catch(() => {}); // as long as others need it
    }
  }

  /** @param {string | Message} message @param {object} json @returns {Promise<Message>} */
  async #change(message, json) {
    return (await this.#session.json("PATCH", `/messages/${idOf(message)}`, { json, isRepeatable: true })).message;
  }

  /** @param {Record<string, unknown>} fields @param {string} key @param {import("./session.js").Asked} [asked] */
  async #post(fields, key, asked) {
    const headers = { "Idempotency-Key": key };
    return (await this.#session.json("POST", "/messages", { ...asked, json: given(fields), headers, isRepeatable: true })).message;
  }
}

/** @param {string | { _id: string }} message */
function idOf(message) {
  return encodeLabel(typeof message === "string" ? message : message._id);
}
