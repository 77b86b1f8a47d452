/*
 * The messages of a conversation, in a part of the page that scrolls by itself. It holds a bounded stretch of them; more
 * is fetched before its edge is reached, and what is looked at stays where it is.
 */

import { Component, html } from "../../vendor/htm-preact.js";
import { t } from "../core/messages.js";
import { Spinner } from "./spinner.js";
import { dayOf, nameOfDay } from "./days.js";
import { Message } from "./message.js";

const NEAR_EDGE = 900;
const NEAR_END = 60;
const GROUPED_MS = 5 * 60 * 1000;
const FOUND_MS = 1800;

/**
 * `slice` (history.js), `me`, `isGroup`, `leaving` (ids), `firstUnread`, `target` (`{id}`: go there, null the end), `desk` (message.js); `onEdge("older" or
 * "newer")` asks for more, `onPlace(isAtEnd)` tells whether the end is seen. What is on its way are the children.
 */
export class Log extends Component {
  isAtEnd = true;
  state = { found: null };
  box = null;
  inside = null;

  setBox = (box) => { this.box = box; };
  setInside = (inside) => { this.inside = inside; };

  componentDidMount() {
    this.resized = new ResizeObserver(() => this.isAtEnd && this.toEnd());
    this.resized.observe(this.inside);
    this.resized.observe(this.box);
    this.toEnd();
  }

  componentWillUnmount() {
    this.resized.disconnect();
    clearTimeout(this.fading);
  }

  /* What is looked at now: the first message that is seen, and how far down it is. */
  getSnapshotBeforeUpdate() {
    const top = this.box.getBoundingClientRect().top;
    const seen = [...this.inside.querySelectorAll("[data-id]")].filter((each) => each.getBoundingClientRect().bottom > top).slice(0, 40);
    return { isAtEnd: this.isAtEnd, seen: seen.map((each) => [each.dataset.id, each.getBoundingClientRect().top]) };
  }

  componentDidUpdate(before, _state, { isAtEnd, seen }) {
    const { slice, target } = this.props;
    if (target !== before.target && target) return this.go(target.id);
    if (isAtEnd && slice.isAtEnd && before.slice.isAtEnd) return this.toEnd();
    for (const [id, top] of seen) {
      const still = this.at(id);
      if (!still) continue;
      this.box.scrollTop += still.getBoundingClientRect().top - top;
      break;
    }
    return this.look();
  }

  at(id) {
    return this.inside.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }

  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
    this.look();
  }

  go(id) {
    const there = id && this.at(id);
    if (!there) return this.toEnd();
    there.scrollIntoView({ block: "center" });
    there.focus({ preventScroll: true });
    this.setState({ found: id });
    clearTimeout(this.fading);
    this.fading = setTimeout(() => this.setState({ found: null }), FOUND_MS);
    return this.look();
  }

  look = () => {
    const { slice, onEdge, onPlace } = this.props;
    const above = this.box.scrollTop;
    const below = this.box.scrollHeight - this.box.clientHeight - above;
    this.isAtEnd = slice.isAtEnd && below < NEAR_END;
    onPlace(this.isAtEnd);
    if (above < NEAR_EDGE && slice.hasOlder) onEdge("older");
    else if (below < NEAR_EDGE && !slice.isAtEnd) onEdge("newer");
  };

  /* Arrows go from message to message; Enter opens what may be done to one. */
  move = (event) => {
    const here = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || !(here === this.box || here.matches("[data-id]"))) return;
    const all = [...this.inside.querySelectorAll("[data-id]")];
    const place = all.indexOf(here);
    if (event.key === "Enter" && place >= 0) here.querySelector(".act button")?.click();
    else if (event.key === "ArrowUp") (place < 0 ? all.at(-1) : all[place - 1])?.focus();
    else if (event.key === "ArrowDown" && place >= 0) (all[place + 1] ?? this.box).focus();
    else return;
    event.preventDefault();
  };

  render() {
    const { slice, isLoading, children } = this.props;
    return html`<div class="log" role="log" aria-live="polite" aria-label=${t("chat.messages")} aria-busy=${isLoading} tabindex="0" ref=${this.setBox} onScroll=${this.look} onKeyDown=${this.move}>
      <div class="log-inside" ref=${this.setInside}>
        ${slice.hasOlder && html`<${Spinner} />`}
        ${this.rows()}
        ${slice.isAtEnd ? children : html`<${Spinner} />`}
      </div>
    </div>`;
  }

  rows() {
    const { slice, me, isGroup, leaving, firstUnread, desk } = this.props;
    let before = null;
    return slice.messages.flatMap((message) => {
      const isNewDay = !before || dayOf(before.created_at) !== dayOf(message.created_at);
      const isNew = message._id === firstUnread;
      const isFirst = isNewDay || isNew || before.sender !== message.sender || Date.parse(message.created_at) - Date.parse(before.created_at) > GROUPED_MS;
      const isOwn = message.sender === me;
      before = message;
      return [
        isNewDay && html`<p class="log-day" key=${`day ${message._id}`}><time datetime=${message.created_at.slice(0, 10)}>${nameOfDay(message.created_at)}</time></p>`,
        isNew && html`<p class="log-new" key=${`new ${message._id}`}><span>${t("chat.new")}</span></p>`,
        html`<${Message} key=${message._id} message=${message} isOwn=${isOwn} isFirst=${isFirst} withName=${isGroup && !isOwn && isFirst}
          isLeaving=${leaving.has(message._id)} isFound=${this.state.found === message._id} desk=${desk} />`,
      ].filter(Boolean);
    });
  }
}
