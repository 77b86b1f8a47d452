/** One account of one Transfer Service, for apps. Times are as the service tells them (ISO 8601, UTC) unless said otherwise. */

/** Where something is kept that outlives the page or the process: `localStorage`, React Native's AsyncStorage, a file. */
export interface Storage {
  getItem(key: string): string | null | Promise<string | null>;
  setItem(key: string, value: string): void | Promise<void>;
  removeItem(key: string): void | Promise<void>;
}

export interface Tokens {
  accessToken: string;
  refreshToken: string;
  /** In milliseconds, by the clock of this machine. */
  expiresAt: number;
  /** The name that signed in. */
  account?: string;
}

export interface ClientOptions {
  /** Tokens of an earlier sign-in; those in `storage` are found without. */
  tokens?: Tokens;
  /** A key (`tsk_…`) in place of a sign-in. */
  key?: string;
  /** Hears of each new pair of tokens, and of their end (null). */
  onTokens?: (tokens: Tokens | null) => void;
  /** The service has ended the sign-in: ask for the password again. Not called by `signOut`, nor while the network is away. */
  onSignOut?: () => void;
  /** Keeps tokens, and what is needed to go on with uploads after a reload. Tabs that share it share the sign-in. */
  storage?: Storage;
  fetch?: typeof globalThis.fetch;
  /** How long what may be sent again is tried again after the last byte that moved: 300. */
  patienceSeconds?: number;
}

export type ErrorCode =
  | "invalid" | "sign_in_needed" | "forbidden" | "not_found" | "conflict" | "changed" | "too_large" | "too_many" | "no_room" | "failed";

/** Anything that this package throws on purpose; the message is for people. What ended an `AbortSignal` is thrown as it is. */
export class TransferError extends Error {}

/** The service refused a request. */
export class ApiError extends TransferError {
  constructor(status: number, detail?: string, retryAfter?: number | null);
  /** Of HTTP. */
  status: number;
  code: ErrorCode;
  /** In seconds, where the service told it. */
  retryAfter: number | null;
}

/** Nobody is signed in, or what was shown does not count any more. */
export class SignInNeeded extends ApiError {
  constructor(detail?: string);
}

/** The service did not answer, or said that it cannot now, for longer than the client is patient. */
export class Unavailable extends TransferError {}

/** Bytes that arrived are not those that were sent. */
export class DigestMismatch extends TransferError {}

export interface Account {
  id: string;
  name: string;
  is_admin: boolean;
  permissions: string[];
  used_bytes: number;
  quota_bytes: number | null;
  /** Of the token, in unix seconds; null for a key without end. */
  expires_at: number | null;
}

export interface TransferFile {
  file_id: string;
  /** With its folders: `2026/photo.jpg`. */
  filename: string;
  status: "pending" | "partial" | "complete";
  bytes_received: number;
  total_bytes: number | null;
  /** Whether the total is only what chunks have told so far. */
  total_inferred: boolean;
  /** The first byte that is missing. */
  next_expected_byte: number;
  /** In hex; null until complete. */
  sha256: string | null;
  content_type: string | null;
  created_at: string;
  updated_at: string;
}

export interface Folder {
  path: string;
  /** Of all below it, as are `folders` and `bytes`. */
  files: number;
  folders: number;
  bytes: number;
  created_at: string;
}

export type Entry = ({ type: "file" } & TransferFile) | { type: "folder"; path: string; created_at: string };

export interface ListOptions {
  /** A part of the name, in any case. */
  search?: string;
  /** How the name begins. */
  prefix?: string;
  status?: "complete" | "partial";
  sort?: "created" | "name" | "size" | "updated";
  order?: "asc" | "desc";
  /** Files a page, up to 1000: 100. */
  limit?: number;
}

export interface LinkOptions {
  files?: (string | { file_id: string })[];
  /** Paths. */
  folders?: string[];
  name?: string;
  /** Seconds: 7 days unless said. */
  expiresIn?: number;
  /** At least 6 characters. */
  password?: string;
  maxDownloads?: number;
}

export interface Link {
  id: string;
  url: string;
  kind: "download" | "upload";
  name: string | null;
  files: { file_id: string; filename: string; size: number; content_type: string; url: string | null }[];
  expires_at: string;
  has_password: boolean;
  max_downloads: number | null;
  downloads: number;
  /** Of links that take uploads, as are the next three. */
  max_files: number | null;
  max_bytes: number | null;
  received_files: number;
  received_bytes: number;
  created_at: string;
}

export interface AddressOptions {
  /** Seconds, at most a week: 3600. */
  expiresIn?: number;
  /** Shown rather than saved, where that is safe. */
  inline?: boolean;
  /** The address of a preview instead. */
  thumbnail?: 160 | 480 | 1280;
}

export interface Address {
  url: string;
  expires_at: string;
}

/** What can be read at any place; a Blob is one. */
export interface Sliceable {
  readonly size: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
  readonly name?: string;
  readonly type?: string;
  readonly lastModified?: number;
}

export type UploadSource =
  | Blob
  | Sliceable
  | ArrayBuffer
  | ArrayBufferView
  /** Read once: it goes on after a broken line, but not in another process. */
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  /** A file of React Native. */
  | { uri: string; name?: string; type?: string };

export interface UploadOptions {
  /** With its folders. Needed unless the source is a `File`. A name that is taken gets a number, unless `overwrite`. */
  name?: string;
  /** Media type. */
  type?: string;
  /** Replace the file of this name, in one step, when the new one is whole. */
  overwrite?: boolean;
  /** Bytes sent, and all of them (null: not known yet). After a break it goes on at what the service has, which may be less. */
  onProgress?: (sent: number, total: number | null) => void;
  /** Ends it; what has arrived is kept, and the next upload of the same file goes on with it. */
  signal?: AbortSignal;
  /** Of a stream, where it is known. */
  size?: number;
  /** What tells this content from another one of the same name, to go on with it after a reload: size and date unless said. */
  fingerprint?: string;
  /** false: the SHA-256 is neither computed nor compared. */
  verify?: boolean;
}

export type UploadState = "running" | "paused" | "done" | "failed" | "cancelled";

export interface Upload {
  readonly state: UploadState;
  /** The file, once the service has all of it and its SHA-256 is that of what was read. */
  readonly done: Promise<TransferFile>;
  pause(): void;
  resume(): void;
  /** End it and free what has arrived; `done` is rejected by an AbortError. */
  cancel(): Promise<void>;
}

/** A message with a file. */
export interface Attached {
  _id: string;
  /** Its path at the service. */
  media_url: string | null;
  media: { name: string; size: number; sha256: string } | null;
}

export interface FileVersion {
  /** In hex: it tells one content from any other. */
  sha256: string;
  size: number;
}

/** Where a download goes. With `write` alone it goes on after breaks, but not in another process. */
export interface Sink<T = void> {
  /** Get ready for this content. Gives how many of its bytes are kept from before (with `read`); those of other contents are dropped. */
  begin?(version: FileVersion): number | Promise<number>;
  /** What was kept, to be verified with the rest. */
  read?(start: number, end: number): Uint8Array | Promise<Uint8Array>;
  /** Bytes come in order, from where `begin` said, or from 0 again after `clear`. */
  write(bytes: Uint8Array, offset: number): void | Promise<void>;
  /** What was written is not the file. */
  clear?(): void | Promise<void>;
  /** All is there and verified. */
  finish?(): T | Promise<T>;
  /** Nothing more comes, for whatever reason. */
  stop?(): void | Promise<void>;
}

/** Holds a download in memory, and gives a Blob. The same sink given again goes on. */
export function blobSink(options?: { type?: string }): Sink<Blob>;

/**
 * Keeps a download in the browser's own files, in pieces that outlive the page, and gives a Blob of them; `clear` it once that has been
 * used. `folder`: such as `await navigator.storage.getDirectory()`.
 */
export function folderSink(folder: FileSystemDirectoryHandle): Sink<Blob> & { clear(): Promise<void> };

export interface DownloadOptions {
  /** Bytes that are there, and all of them. */
  onProgress?: (received: number, total: number) => void;
  /** Ends it; the sink keeps what has arrived. */
  signal?: AbortSignal;
  /** Ask for so many bytes at a time: 4 MiB where answers are no streams (React Native), all at once elsewhere. */
  pieceBytes?: number;
}

export interface Message extends Attached {
  conversation_id: string;
  sender: string;
  /** null where a file has no caption, and of what was deleted. */
  content: string | null;
  type: "text" | "image" | "video" | "file";
  media: Media | null;
  reply_to: string | null;
  is_read: boolean;
  is_deleted: boolean;
  created_at: string;
  edited_at: string | null;
  pinned: boolean;
}

export interface Media {
  name: string;
  content_type: string;
  size: number;
  sha256: string;
  width: number | null;
  height: number | null;
  duration: number | null;
  blurhash: string | null;
  thumbnail_url: string | null;
}

export interface Conversation {
  _id: string;
  type: "dm" | "group";
  participants: string[];
  owner: string | null;
  group_name: string | null;
  created_at: string;
  last_message: Message | null;
  pinned_messages: string[];
}

/** What is heard while connected, and may be missed otherwise: see `follow`. */
export interface ChatEvents {
  new_message: Message;
  message_edited: Message;
  message_pinned: Message;
  message_deleted: { _id: string; conversation_id: string };
  messages_read: { conversation_id: string; reader: string; read_at: string };
  typing: { conversation_id: string; sender: string };
  stop_typing: { conversation_id: string; sender: string };
  upload_progress: { upload_id: string; filename: string; offset: number; length: number | null };
  /** Of the socket. After the end of a sign-in it stays closed: `connect` again. */
  error: { detail: string };
  connect: undefined;
  disconnect: string;
}

/** Messages that are new or have changed, each as it is now, oldest change first; keep the cursor with what you keep of them. A promise is waited for. */
export type Listener = (messages: Message[], cursor: string) => unknown;

export interface FollowOptions {
  /** Go on from here, with all that was missed: the last cursor that was told. Without one it begins now. */
  cursor?: string;
  /** What has stopped it for now; it asks again with the next news. */
  onError?: (error: unknown) => void;
}

export interface Following {
  readonly conversationId: string;
  readonly cursor: string | undefined;
  close(): void;
}

export interface SendOptions {
  /** The `_id` of a message. */
  replyTo?: string;
  /** 1 to 255 visible ASCII characters: with the same one, sent again within a day, also by another process, the message is there once. */
  key?: string;
}

export interface SendFileOptions extends SendOptions, UploadOptions {
  /** A caption. */
  content?: string;
}

export interface Chat {
  readonly isConnected: boolean;
  /** Hear of news at once, from now on and again after each break. Where it cannot, what is followed is asked for each minute. */
  connect(options?: { transports?: ("polling" | "websocket")[] }): Promise<void>;
  /** End it, and all that is followed. */
  close(): void;
  /** Gives what ends it. */
  on<E extends keyof ChatEvents>(event: E, listener: (data: ChatEvents[E]) => void): () => void;
  /** The one with the newest message first. */
  conversations(): AsyncIterableIterator<Conversation>;
  conversation(conversationId: string): Promise<Conversation>;
  /** The conversation with an account, made where there is none; its id. */
  open(account: string): Promise<string>;
  createGroup(name: string, participants: string[]): Promise<string>;
  /** Newest first, page by page while they are asked for. */
  history(conversationId: string): AsyncIterableIterator<Message>;
  /** Every message that is new or changed from now on, none missed and none twice, whatever breaks. */
  follow(conversationId: string, onMessages: Listener, options?: FollowOptions): Promise<Following>;
  send(conversationId: string, content: string, options?: SendOptions): Promise<Message>;
  /** Sent like any other file, so it goes on after breaks; with a `key` of your own also after a reload. */
  sendFile(conversationId: string, source: UploadSource, options?: SendFileOptions): Promise<Message>;
  edit(message: string | Message, content: string): Promise<Message>;
  pin(message: string | Message, pinned?: boolean): Promise<Message>;
  delete(message: string | Message): Promise<void>;
  markRead(conversationId: string): Promise<void>;
  /** The others are told, if somebody is connected. */
  typing(conversationId: string, isTyping?: boolean): void;
}

export class TransferClient {
  /** `url`: the address of the service, with its path where it has one. */
  constructor(url: string, options?: ClientOptions);
  readonly url: string;
  readonly chat: Chat;
  signIn(name: string, password: string): Promise<Tokens>;
  /** End this sign-in here and at the service. */
  signOut(): Promise<void>;
  /** A token that counts for a while, for requests of your own. Never put it into an address. */
  token(): Promise<string>;
  account(): Promise<Account>;

  upload(source: UploadSource, options?: UploadOptions): Upload;

  /** Fetch a file, or what hangs on a message, into a sink. Gives what that makes of it, once its SHA-256 is that of the service. */
  download<T>(file: string | TransferFile | Attached, sink: Sink<T>, options?: DownloadOptions): Promise<T>;

  /** All files, in whatever folders, page by page while they are asked for. */
  files(options?: ListOptions): AsyncIterableIterator<TransferFile>;
  /** What lies directly in a folder, folders first. */
  browse(path?: string): AsyncIterableIterator<Entry>;
  file(fileId: string): Promise<TransferFile>;
  /** The file of a name, null where there is none. */
  find(name: string): Promise<TransferFile | null>;
  rename(file: string | TransferFile, name: string): Promise<TransferFile>;
  /** Into the trash, where the service keeps one, unless `permanent`. */
  delete(file: string | TransferFile, options?: { permanent?: boolean }): Promise<void>;
  folder(path: string): Promise<Folder>;
  createFolder(path: string): Promise<Folder>;
  moveFolder(path: string, newPath: string): Promise<Folder>;
  deleteFolder(path: string, options?: { recursive?: boolean; permanent?: boolean }): Promise<void>;
  /** A link for people without an account. */
  share(options: LinkOptions): Promise<Link>;
  /** An address of a file, or of what hangs on a message, for what can send no header: `<img>`, a player. Whoever has it can fetch it. */
  address(file: string | TransferFile | Attached, options?: AddressOptions): Promise<Address>;
}
