/* What webhooks are told of (docs/webhooks.md). */

import { t } from "../core/messages.js";

const EVENTS = ["file.completed", "file.deleted", "message.created", "download.completed", "download.failed", "link.downloaded", "link.received"];

/** The events that one may choose, and what each is called. */
export function eventNames() {
  return Object.fromEntries(EVENTS.map((each) => [each, t(`admin.event.${each}`)]));
}

/** What an event is called, a test too. */
export function eventName(event) {
  return event === "webhook.test" ? t("admin.event.webhook.test") : (eventNames()[event] ?? event);
}
