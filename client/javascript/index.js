/* One account of one Transfer Service, for apps: in browsers, Node.js, React Native, Electron, Capacitor. */

import { Chat } from "./chat.js";
import { Download } from "./downloads.js";
import { browse, find, idOf, list, makeLink, signAddress, versionOf } from "./files.js";
import { away } from "./patience.js";
import { encodeName, Session } from "./session.js";
import { Upload } from "./uploads.js";

export { ApiError, DigestMismatch, SignInNeeded, TransferError, Unavailable } from "./errors.js";
export { blobSink, folderSink } from "./sinks.js";

/** @typedef {import("./index.js").TransferClient} Declared */
/** @typedef {import("./index.js").TransferFile} TransferFile */
/** @typedef {import("./index.js").Folder} Folder */

/** @implements {Declared} */
export class TransferClient {
  #session;

  /** @param {string} url @param {import("./index.js").ClientOptions} [options] */
  constructor(url, options = {}) {
    this.#session = new Session(url, options);
    this.url = this.#session.url;
    this.chat = new Chat(this.#session, (source, how) => this.upload(source, how));
  }

  /** @param {string} name @param {string} password */
  signIn(name, password) {
    return this.#session.signIn(name, password);
  }

  signOut() {
    return this.#session.signOut().catch(away);
  }

  token() {
    return this.#session.token().catch(away);
  }

  /** @returns {Promise<import("./index.js").Account>} */
  account() {
    return this.#session.json("GET", "/auth/me");
  }

  /** @param {import("./index.js").UploadSource} source @param {import("./index.js").UploadOptions} [options] */
  upload(source, options = {}) {
    return new Upload(this.#session, source, options);
  }

  /** @template T @param {string | TransferFile | import("./index.js").Attached} file @param {import("./index.js").Sink<T>} sink @param {import("./index.js").DownloadOptions} [options] @returns {Promise<T>} */
  download(file, sink, options = {}) {
    return new Download(this.#session, (isNew, asked) => versionOf(this.#session, file, isNew, asked), sink, options).run();
  }

  /** @param {import("./index.js").ListOptions} [options] @returns {AsyncIterableIterator<TransferFile>} */
  files(options = {}) {
    return list(this.#session, options);
  }

  /** @param {string} [path] @returns {AsyncIterableIterator<import("./index.js").Entry>} */
  browse(path = "") {
    return browse(this.#session, path);
  }

  /** @param {string} fileId @returns {Promise<TransferFile>} */
  async file(fileId) {
    return this.#session.json("GET", `/api/files/${idOf(fileId)}`);
  }

  /** @param {string} name */
  find(name) {
    return find(this.#session, name);
  }

  /** @param {string | TransferFile} file @param {string} name @returns {Promise<TransferFile>} */
  async rename(file, name) {
    return this.#session.json("PATCH", `/api/files/${idOf(file)}`, { json: { filename: name }, isRepeatable: true });
  }

  /** @param {string | TransferFile} file @param {{ permanent?: boolean }} [options] @returns {Promise<void>} */
  async delete(file, { permanent } = {}) {
    await this.#session.json("DELETE", `/api/files/${idOf(file)}`, { query: { permanent } });
  }

  /** @param {string} path @returns {Promise<Folder>} */
  async folder(path) {
    return this.#session.json("GET", `/api/folders/${encodeName(path)}`);
  }

  /** @param {string} path @returns {Promise<Folder>} */
  createFolder(path) {
    return this.#session.json("POST", "/api/folders", { json: { path }, isRepeatable: true });
  }

  /** @param {string} path @param {string} newPath @returns {Promise<Folder>} */
  async moveFolder(path, newPath) {
    return this.#session.json("PATCH", `/api/folders/${encodeName(path)}`, { json: { path: newPath } });
  }

  /** @param {string} path @param {{ recursive?: boolean, permanent?: boolean }} [options] @returns {Promise<void>} */
  async deleteFolder(path, { recursive, permanent } = {}) {
    await this.#session.json("DELETE", `/api/folders/${encodeName(path)}`, { query: { recursive, permanent } });
  }

  /** @param {import("./index.js").LinkOptions} options @returns {Promise<import("./index.js").Link>} */
  share(options) {
    return makeLink(this.#session, options);
  }

  /** @param {string | TransferFile | import("./index.js").Attached} file @param {import("./index.js").AddressOptions} [options] @returns {Promise<import("./index.js").Address>} */
  async address(file, options = {}) {
    return signAddress(this.#session, file, options);
  }
}
