// What the page does in the browser. Gradio calls this once for the conversation, with the component's
// `element` and `trigger`; everything it builds later is inside that element, so listeners are delegated.

const root = element.closest(".gradio-container") || document.body;
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)").matches;
const behavior = reducedMotion ? "auto" : "smooth";

function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  // Over plain http on a local network browsers offer no clipboard object.
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  area.style.opacity = "0";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied ? Promise.resolve() : Promise.reject(new Error("copy refused"));
}

async function copy(button) {
  await copyText(button.dataset.copy);
  const label = button.textContent;
  button.textContent = button.dataset.copied;
  setTimeout(() => { button.textContent = label; }, 1500);
}

// The document is made on the server and comes with the answer: saving it asks nothing of anybody.
function save(kind, text) {
  const types = { md: "text/markdown", html: "text/html" };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: `${types[kind]};charset=utf-8` }));
  link.download = `tanya.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Puts a question into the box, where Gradio hears of it as if it had been typed.
function edit(text) {
  const box = root.querySelector("#t-question textarea");
  box.value = text;
  box.dispatchEvent(new Event("input", { bubbles: true }));
  box.focus();
}

function showCard(turn, marker) {
  const card = document.getElementById(`card-${turn}-${marker}`);
  if (!card) return false;
  card.scrollIntoView({ behavior, block: "nearest" });
  card.focus({ preventScroll: true });
  card.classList.add("t-flash");
  setTimeout(() => card.classList.remove("t-flash"), 1200);
  return true;
}

root.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || !root.contains(button)) return;
  const { copy: text, show, marker, question, edit: edited, save: kind, unfilter } = button.dataset;
  if (text !== undefined) {
    copy(button).catch((error) => console.error("Copying failed:", error));
  } else if (unfilter !== undefined) {
    trigger("delete", { filter: unfilter });
  } else if (kind !== undefined) {
    save(kind, button.dataset.document);
  } else if (edited !== undefined) {
    edit(edited);
  } else if (question !== undefined) {
    trigger("example_select", { question });
  } else if (show !== undefined) {
    if (marker && showCard(show, marker)) return;
    trigger("select", { turn: Number(show) });
    // The evidence arrives from the server; the card is looked for until it is there.
    let tries = 0;
    const wait = setInterval(() => {
      if (showCard(show, marker || "1") || ++tries > 40) clearInterval(wait);
    }, 50);
  }
});

root.addEventListener("submit", (event) => {
  if (event.target.id !== "t-filter-form") return;
  event.preventDefault();
  const chosen = new FormData(event.target);
  event.target.hidePopover();
  trigger("apply", { from: chosen.get("from"), to: chosen.get("to"), sources: chosen.getAll("source") });
});

// An article opens at the words that prove the answer. `toggle` does not bubble, hence the capture.
root.addEventListener("toggle", (event) => {
  if (!event.target.matches?.(".t-article") || event.newState !== "open") return;
  const mark = event.target.querySelector('mark[tabindex="-1"]');
  if (!mark) return;
  mark.scrollIntoView({ block: "center" });
  mark.focus({ preventScroll: true });
}, true);

// A new question or answer is brought into view; re-rendering in the other language is not.
let seen = "";
new MutationObserver(() => {
  const turns = element.querySelectorAll(".t-turn");
  const last = turns[turns.length - 1];
  const now = last ? `${last.dataset.turn} ${last.dataset.status}` : "";
  if (now === seen) return;
  seen = now;
  if (last) last.scrollIntoView({ behavior, block: "start" });
}).observe(element, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-status"] });
