/* A button that opens a list of things to do (ARIA Authoring Practices, menu button). */

import { html, useLayoutEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { Icon } from "./icon.js";

const EDGE = 8;

/**
 * `label` is the button's name. `items`: `{label, icon, onSelect}` or `{label, icon, href, download}` each; `isDanger`
 * marks what cannot be undone. Arrows, Home, End and first letters move, Escape and Tab close.
 */
export function MenuButton({ label, icon = "more", items, children, ...rest }) {
  const [isOpen, setOpen] = useState(false);
  const button = useRef();
  const close = (isByKey = true) => {
    setOpen(false);
    if (isByKey) button.current?.focus();
  };
  const openByArrow = (event) => {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    setOpen(true);
  };
  return html`<button ref=${button} type="button" class=${children ? "button plain" : "icon-button"} aria-haspopup="menu" aria-expanded=${isOpen}
      aria-label=${label} title=${children ? undefined : label} onClick=${() => setOpen(!isOpen)} onKeyDown=${openByArrow} ...${rest}>
      <${Icon} name=${icon} />${children && html`<span>${children}</span>`}
    </button>
    ${isOpen && html`<${Menu} label=${label} items=${items} anchor=${button.current} onClose=${close} />`}`;
}

function Menu({ label, items, anchor, onClose }) {
  const list = useRef();
  useLayoutEffect(() => { // before the next key is pressed
    const menu = list.current;
    menu.showPopover();
    place(menu, anchor);
    entries(menu)[0]?.focus();
    const closeElsewhere = (event) => {
      if (!menu.contains(event.target) && !anchor.contains(event.target)) onClose(false);
    };
    const { top, left } = anchor.getBoundingClientRect();
    const closeMoved = () => { // the event may tell of a scroll that was over before
      const now = anchor.getBoundingClientRect();
      if (now.top !== top || now.left !== left) onClose(false);
    };
    document.addEventListener("pointerdown", closeElsewhere, true);
    document.addEventListener("scroll", closeMoved, true);
    window.addEventListener("resize", onClose);
    return () => {
      document.removeEventListener("pointerdown", closeElsewhere, true);
      document.removeEventListener("scroll", closeMoved, true);
      window.removeEventListener("resize", onClose);
    };
  }, []);
  const select = (item) => (event) => {
    onClose();
    if (!item.onSelect) return;
    event.preventDefault();
    item.onSelect();
  };
  return html`<div ref=${list} popover="manual" class="menu" role="menu" aria-label=${label} onKeyDown=${(event) => move(event, list.current, onClose)}>
    ${items.filter(Boolean).map((item) => html`<a role="menuitem" tabindex="-1" class=${item.isDanger ? "danger" : ""} href=${item.href ?? "#"}
      download=${item.download} onClick=${select(item)}><${Icon} name=${item.icon} />${item.label}</a>`)}
  </div>`;
}

function entries(menu) {
  return [...menu.querySelectorAll("[role=menuitem]")];
}

function move(event, menu, onClose) {
  const all = entries(menu);
  const at = all.indexOf(document.activeElement);
  const places = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 };
  if (event.key === "Escape" || event.key === "Tab") onClose();
  else if (event.key in places) all.at(places[event.key] % all.length).focus();
  else if (event.key === " ") all[at]?.click();
  else if (event.key.length === 1) {
    const rest = [...all.slice(at + 1), ...all.slice(0, at + 1)];
    rest.find((each) => each.textContent.toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
    return;
  } else return;
  if (event.key !== "Tab") event.preventDefault();
  event.stopPropagation();
}

/* Below the button, or above it where there is no room, and never beyond the edge of the window. */
function place(menu, anchor) {
  const at = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const isRight = getComputedStyle(anchor).direction === "ltr";
  const wanted = isRight ? at.right - width : at.left;
  const isBelow = at.bottom + height + EDGE <= window.innerHeight || at.top - height < EDGE;
  menu.style.left = `${Math.min(Math.max(wanted, EDGE), window.innerWidth - width - EDGE)}px`;
  menu.style.top = `${isBelow ? Math.min(at.bottom + 4, window.innerHeight - height - EDGE) : at.top - height - 4}px`;
}
