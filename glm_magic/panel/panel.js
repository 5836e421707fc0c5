/**
 * The chat panel in the browser: it draws what the kernel says, and says what the user does.
 *
 * The view keeps nothing of a conversation. It asks for everything when it is drawn and then
 * swaps the blocks that changed. The only HTML it inserts was made and cleaned by the kernel's
 * own renderer; all other text, whoever wrote it, stays text.
 */

// --- words ---------------------------------------------------------------------------------

const STRINGS = {
  en: {
    panel: "GLM chat", user: "Question", assistant: "Answer", log: "Conversation",
    empty: "Ask about what you are working on. {{name}} puts in a variable of yours.",
    ask: "Ask GLM …", hint: "Enter sends · Shift+Enter breaks the line · {{name}} adds a variable",
    send: "Send", stop: "Stop (Esc)", retry: "Ask again", edit: "Edit and ask again",
    continue: "Continue", undo: "Undo", clear: "Clear the conversation", cancel: "Cancel",
    settings: "Settings", toEnd: "To the end", preview: "Preview", close: "Close",
    copyText: "Copy", copyCode: "Copy the code", insertCode: "Code into a new cell",
    label: "Conversation", model: "Model", system: "System prompt", think: "Thinking",
    temperature: "Temperature", names: "Names",
    exportMarkdown: "Export Markdown", exportNotebook: "Export notebook",
    levels: { "": "as the model does", off: "off", low: "low", high: "high", max: "max" },
    thinking: (seconds) => `Thinking … ${seconds} s`,
    thought: (seconds) => `Thought for ${seconds} s`,
    editing: "Editing a question: what follows it goes away, and Undo brings it back.",
    previewed: "This will be sent", inserting: "This will be a new cell",
    insert: "Insert", copy: "Copy", copied: "Copied", inserted: "The code is in a new cell.",
    paste: "No cell can be added from here: copy the code, and paste it into one.",
    pasted: "Copied. Paste it into a cell.", uncopied: "The browser did not allow copying.",
    cleared: "The conversation is cleared.", stopping: "Stopping …",
    started: "The answer begins.", finished: "The answer is complete.",
    busy: "An answer is being written: wait for it, or stop it.",
    late: "The kernel is busy; the message waits.",
    gone: "There is no kernel behind this panel: run its cell again.",
    said: {},
  },
  zh: {
    panel: "GLM 对话", user: "提问", assistant: "回答", log: "对话内容",
    empty: "就手头的工作提问吧。{{变量名}} 可以带上你的变量。",
    ask: "向 GLM 提问……", hint: "Enter 发送 · Shift+Enter 换行 · {{变量名}} 带上变量",
    send: "发送", stop: "停止（Esc）", retry: "重新回答", edit: "修改后重新提问",
    continue: "继续", undo: "撤销", clear: "清空对话", cancel: "取消",
    settings: "设置", toEnd: "回到末尾", preview: "预览", close: "关闭",
    copyText: "复制", copyCode: "复制代码", insertCode: "代码放入新单元格",
    label: "对话", model: "模型", system: "系统提示词", think: "思考",
    temperature: "温度", names: "变量名", exportMarkdown: "导出 Markdown", exportNotebook: "导出笔记本",
    levels: { "": "模型默认", off: "关闭", low: "低", high: "高", max: "最高" },
    thinking: (seconds) => `思考中…… ${seconds} 秒`, thought: (seconds) => `思考了 ${seconds} 秒`,
    editing: "正在修改提问：其后的内容将被移去，撤销可以找回。",
    previewed: "将要发送的内容", inserting: "将成为新单元格的代码",
    insert: "插入", copy: "复制", copied: "已复制", inserted: "代码已放入新单元格。",
    paste: "这里不能添加单元格：请复制代码，再粘贴到单元格中。",
    pasted: "已复制，请粘贴到单元格中。", uncopied: "浏览器不允许复制。",
    cleared: "对话已清空。", stopping: "正在停止……", started: "开始回答。", finished: "回答完毕。",
    busy: "正在回答：请等待，或先停止。", late: "内核正忙，消息在等待。",
    gone: "此面板没有连接内核：请重新运行它的单元格。",
    said: { // the kernel's own sentences
      "cut off at the token limit": "达到 token 上限，回答被截断",
      "stopped by the vendor's moderation": "被服务商的内容审核中止",
      "stopped before its end": "回答未完即被停止",
      "the stream broke off before its end": "数据流中断，回答不完整",
      "broken off by an error": "因出错而中断",
      "stopped before any word of the answer": "回答尚未开始即被停止",
      "the stream broke off before any word of the answer: ask again":
        "回答尚未开始数据流就中断了：请重新提问",
      "the model asks to call a tool, which %glm does not do": "模型要求调用工具，%glm 不支持",
      "the answer is empty": "回答为空",
      "the token limit was used up by thinking: raise --max-tokens, or --think off":
        "token 上限已被思考用尽：请调高上限，或关闭思考",
      "the stream ended before the answer was complete": "回答完成之前数据流就结束了",
      "the vendor's moderation ended the answer": "服务商的内容审核结束了回答",
      "stopped before an answer came": "回答到来之前已停止",
      "shown as plain text, as it cannot be drawn": "无法排版，按纯文本显示",
      "not all could be shown": "部分内容未能显示",
      thinking: "思考中", waiting: "等待中",
    },
  },
};

/** What goes on in figures, or in the words of an error. */
const OPEN_ENDED =
  /^(thinking(?= … )|waiting(?= … )|not all could be shown(?=: )|shown as plain text, as it cannot be drawn(?=: ))(.*)$/s;

function chooseWords() {
  const languages = [document.documentElement.lang, navigator.language];
  return languages.some((name) => /^zh\b/i.test(name)) ? STRINGS.zh : STRINGS.en;
}

/** What the kernel *said*, in the reader's language as far as there are words for it. */
function translate(said, words) {
  const [, start, rest] = OPEN_ENDED.exec(said) ?? [said, said, ""];
  return (words.said[start] ?? start) + rest;
}

// --- building elements ---------------------------------------------------------------------

const COPY = "M9 9h11v11H9zM5 15H4V4h11v1";
const ICONS = { // for the buttons of these names, as lines in a square of 24 by 24
  check: "M5 13l5 5 9-11",
  clear: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  copyCode: COPY,
  copyText: COPY,
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  insertCode: "M4 4h16v6H4zM12 14v7M8.5 17.5h7",
  retry: "M20 11a8 8 0 1 0-2.3 6M20 4v7h-7",
  send: "M12 19V5M6 11l6-6 6 6",
  settings:
    "M4 8h7M17 8h3M4 16h2M12 16h8M17 8a3 3 0 1 0-6 0a3 3 0 1 0 6 0M12 16a3 3 0 1 0-6 0a3 3 0 1 0 6 0",
  stop: "M8 8h8v8H8z",
  toEnd: "M12 5v14M6 13l6 6 6-6",
  undo: "M8 13L4 9l4-4M4 9h10a5 5 0 0 1 0 10h-4",
};

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function makeIcon(name) {
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS(icon.namespaceURI, "path");
  path.setAttribute("d", ICONS[name]);
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  icon.append(path);
  return icon;
}

/** Have *node* hold *parts* and nothing else; what it holds already costs the browser nothing. */
function say(node, ...parts) {
  const text = parts.map((part) => part.textContent ?? part).join("");
  if (node.textContent !== text) node.replaceChildren(...parts);
}

/** A button for the panel's action *act*: with the class `glm-text` in words, else a picture. */
function makeButton(act, words, more = "") {
  const button = make("button", { type: "button", class: `glm-button ${more}`, "data-act": act });
  if (more.includes("glm-text")) button.textContent = words[act];
  else button.append(makeIcon(act));
  button.title = button.ariaLabel = words[act];
  return button;
}

// --- text ----------------------------------------------------------------------------------

// What cannot be seen, or turns the text around it: all that Unicode calls a control, a format or
// ignorable, but for tab and newline.
const UNSEEN =
  /((?![\t\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}])/u;

/** The pieces of *text*, with a mark around each character that cannot be seen. */
function markUnseen(text) {
  return text.split(UNSEEN).map((piece, place) => (place % 2 ? makeMark(piece) : piece));
}

function makeMark(sign) {
  const number = sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
  return make("mark", { class: "glm-hidden", title: `U+${number}` }, sign);
}

/** The first *count* characters of *text*, counted as the kernel does. */
function takeCharacters(text, count) {
  return Array.from(text).slice(0, count).join("");
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // there is no clipboard for a page from afar without https
  }
}

function copyBySelection(text) {
  const box = make("textarea", { class: "glm-unseen" });
  const back = document.activeElement;
  box.value = text;
  document.body.append(box);
  box.select();
  const isCopied = document.execCommand("copy");
  box.remove();
  back.focus();
  return isCopied;
}

function download({ name, mime, text }) {
  const url = URL.createObjectURL(new Blob([text], { type: mime }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // by then the browser has taken it
}

// --- one question or answer ----------------------------------------------------------------

const GROUP = 16; // blocks that the browser lays out, or leaves out while they are far off, as one

/** The blocks of a text, in groups, as each frame costs the browser something for every box. */
class Blocks {
  constructor(words) {
    this.words = words;
    this.shown = [];
    this.node = make("div", { class: "glm-blocks" });
  }

  /** Replace the blocks from *start* to the end by those of *blocks*. */
  swap(start, blocks) {
    const groups = this.node.children;
    for (const block of this.shown.splice(start)) block.remove();
    while (groups.length * GROUP >= start + GROUP) this.node.lastElementChild.remove();
    for (const html of blocks) this.append(makeBlock(html, this.words));
  }

  append(block) {
    if (this.shown.length % GROUP === 0) this.node.append(make("div", { class: "glm-group" }));
    this.node.lastElementChild.append(block);
    this.shown.push(block);
  }
}

function makeBlock(html, words) {
  const template = document.createElement("template");
  template.innerHTML = html; // made and cleaned by the kernel's renderer
  const block = make("div", { class: "glm-block" }, document.adoptNode(template.content));
  for (const figure of block.querySelectorAll("figure.glm-code")) {
    const buttons = ["copyCode", "insertCode"].map((act) => makeButton(act, words));
    figure.append(make("div", { class: "glm-actions" }, ...buttons));
  }
  for (const table of block.querySelectorAll("table")) {
    const frame = make("div", { class: "glm-scroll" });
    table.replaceWith(frame);
    frame.append(table);
  }
  return block;
}

/** The code of the figure that *button* belongs to, as it is shown. */
function codeOf(button) {
  return button.closest("figure").querySelector("code").textContent.replace(/\n$/, "");
}

class Item {
  constructor({ id, role }, words) {
    this.words = words;
    this.side = role === "user" ? "user" : "assistant";
    this.text = "";
    this.length = 0; // of the text, in characters as the kernel counts them
    this.head = {};
    this.thoughts = new Blocks(words);
    this.summary = make("summary");
    this.reasoning = make("details", { class: "glm-reasoning" }, this.summary, this.thoughts.node);
    this.body = new Blocks(words);
    this.notes = make("ul", { class: "glm-notes" });
    this.verdict = make("p", { class: "glm-verdict" });
    this.footer = make("span", { class: "glm-footer" });
    this.continue = makeButton("continue", words, "glm-text glm-last glm-idle");
    const foot = make("footer", { class: "glm-foot" }, this.footer, this.makeActions(words));
    const parts = [this.reasoning, this.body.node, this.notes, this.verdict, foot];
    const named = { "data-item": id, "aria-label": words[this.side] };
    this.node = make("article", { class: `glm-item glm-${this.side}`, ...named }, ...parts);
  }

  makeActions(words) {
    const edit = this.side === "user" ? [makeButton("edit", words, "glm-idle")] : [];
    const retry = makeButton("retry", words, "glm-last glm-idle");
    const buttons = [this.continue, makeButton("copyText", words), ...edit, retry];
    return make("div", { class: "glm-actions" }, ...buttons);
  }

  /** Take in what has changed: of the head only what is new, of the blocks all from *start* on. */
  patch({ item: { text_tail: tail, ...news }, start, blocks, reasoning }) {
    this.body.swap(start, blocks);
    if (reasoning) this.thoughts.swap(reasoning.start, reasoning.blocks);
    this.takeTail(tail);
    this.showHead(Object.assign(this.head, news));
  }

  takeTail({ start, text }) {
    const kept = start < this.length ? takeCharacters(this.text, start) : this.text;
    this.text = kept + text;
    this.length = start + Array.from(text).length;
  }

  showHead({ footer, notes = [], verdict, thought_seconds: seconds = 0, done }) {
    const summary = done || this.text ? this.words.thought : this.words.thinking;
    this.node.classList.toggle("glm-growing", !done);
    this.reasoning.hidden = !this.thoughts.shown.length;
    say(this.summary, summary(seconds));
    say(this.notes, ...notes.map((note) => make("li", {}, translate(note, this.words))));
    say(this.verdict, translate(verdict, this.words));
    say(this.footer, footer);
    this.continue.hidden = !verdict || !this.text;
  }
}

// --- the conversation ----------------------------------------------------------------------

const NEAR = 40; // pixels from the end at which a reader counts as being there

class Log {
  constructor(words, signal) {
    this.words = words;
    this.items = new Map();
    this.top = 0;
    this.list = make("div", { class: "glm-items", "data-empty": words.empty });
    // The panel's announcer speaks instead: a log that is live would read out every piece.
    const named = { role: "log", "aria-live": "off", "aria-label": words.log, tabindex: "0" };
    this.scroller = make("div", { class: "glm-log", ...named }, this.list);
    this.toEndButton = makeButton("toEnd", words, "glm-to-end");
    this.node = make("div", { class: "glm-log-frame" }, this.scroller, this.toEndButton);
    this.scroller.addEventListener("scroll", () => this.noticeScroll(), { signal });
    this.observer = new ResizeObserver(() => this.follow());
    this.observer.observe(this.list);
    this.observer.observe(this.scroller);
    this.toEnd();
  }

  /** The item that *node* is in. */
  of(node) {
    return this.items.get(node.closest("[data-item]").dataset.item);
  }

  get questions() {
    return [...this.items.values()].filter(({ side }) => side === "user").map(({ text }) => text);
  }

  show(items) {
    this.keep([]);
    for (const { blocks, reasoning, text, ...head } of items) {
      const item = { ...head, text_tail: { start: 0, text } };
      this.patch({ item, start: 0, blocks, reasoning: { start: 0, blocks: reasoning } });
    }
    this.toEnd();
  }

  patch(message) {
    const { id } = message.item;
    if (!this.items.has(id)) this.items.set(id, new Item(message.item, this.words));
    const item = this.items.get(id);
    if (!item.node.isConnected) this.list.append(item.node);
    item.patch(message);
    this.follow();
  }

  /** Keep the items named by *ids*, in this order, and remove the others. */
  keep(ids) {
    const kept = ids.filter((id) => this.items.has(id)).map((id) => [id, this.items.get(id)]);
    this.items = new Map(kept);
    const nodes = new Set(kept.map(([, item]) => item.node));
    for (const node of [...this.list.children]) if (!nodes.has(node)) node.remove();
    const isInOrder = [...nodes].every((node, place) => node === this.list.children[place]);
    if (!isInOrder) this.list.append(...nodes);
  }

  // Only going up leaves the end: what grows below takes the reader away from it just as well.
  noticeScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    if (scrollHeight - scrollTop - clientHeight <= NEAR) this.isFollowed = true;
    else if (scrollTop < this.top) this.isFollowed = false;
    this.top = scrollTop;
    this.toEndButton.hidden = this.isFollowed;
  }

  follow() {
    if (this.isFollowed) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  toEnd() {
    this.isFollowed = this.toEndButton.hidden = true;
    this.follow();
  }
}

// --- settings ------------------------------------------------------------------------------

class Settings {
  constructor(id, words) {
    this.known = {};
    this.lists = { label: make("datalist", { id: `${id}-labels` }) };
    this.lists.model = make("datalist", { id: `${id}-models` });
    const levels = Object.entries(words.levels);
    this.controls = {
      label: make("input", { list: `${id}-labels`, autocomplete: "off" }),
      model: make("input", { list: `${id}-models`, autocomplete: "off", spellcheck: "false" }),
      system: make("textarea", { rows: "2" }),
      think: make("select", {}, ...levels.map(([value, name]) => make("option", { value }, name))),
      temperature: make("input", { type: "number", min: "0", max: "2", step: "any" }),
    };
    const fields = Object.keys(this.controls).map((name) => this.makeField(name, words));
    this.pickers = [...fields.slice(0, 2), ...Object.values(this.lists)];
    this.folded = fields.slice(2);
  }

  makeField(name, words) {
    this.controls[name].dataset.setting = name;
    const label = make("span", {}, words[name]);
    return make("label", { class: `glm-field glm-${name}` }, label, this.controls[name]);
  }

  show(state) {
    for (const [name, control] of Object.entries(this.controls)) {
      this.known[name] = String(state[name] ?? "");
      if (!control.matches(":focus")) this.restore(name);
    }
    this.suggest("label", state.labels);
  }

  suggest(name, values) {
    this.lists[name].replaceChildren(...values.map((value) => make("option", { value })));
  }

  /** Make room for a choice: a list shows only those names that match what is there. */
  clear(name) {
    this.controls[name].placeholder = this.known[name];
    this.controls[name].value = "";
  }

  restore(name) {
    this.controls[name].value = this.known[name];
  }

  /** What the user set *name* to, or undefined when that is nothing new. */
  changed(name) {
    const control = this.controls[name];
    const { value } = control;
    const isEmpty = name in this.lists && !value.trim();
    if (isEmpty || value === this.known[name] || !control.reportValidity()) return undefined;
    return name === "temperature" && value ? Number(value) : value;
  }
}

// --- the line to the kernel ----------------------------------------------------------------

const PATIENCE = 1000; // milliseconds until a message counts as waiting

/** A name that is not given twice; `crypto.randomUUID` is missing without https. */
function makeId() {
  return `glm${Math.random().toString(36).slice(2)}`;
}

class Line {
  constructor(model, words, report) {
    this.model = model;
    this.words = words;
    this.report = report; // is told whether anything waits
    this.timers = new Map();
    this.late = new Set();
    this.requests = new Map();
  }

  tell(message) {
    try {
      this.model.send(message);
      return true;
    } catch {
      return false; // the channel is closed
    }
  }

  /** Resolves to the kernel's `{ok, value, error}`. */
  ask(op, fields = {}) {
    const id = makeId();
    const isTold = this.tell({ op, id, ...fields });
    if (!isTold) return Promise.resolve({ ok: false, error: this.words.gone });
    if (op !== "models") this.expect(id); // these come from the far side, in its own time
    return new Promise((resolve) => this.requests.set(id, resolve));
  }

  hear({ id, ...answer }) {
    this.settle(id);
    this.requests.get(id)?.(answer);
    this.requests.delete(id);
  }

  expect(key) {
    this.settle(key);
    this.timers.set(key, setTimeout(() => this.report(this.late.add(key).size > 0), PATIENCE));
  }

  settle(key) {
    clearTimeout(this.timers.get(key));
    this.late.delete(key);
    this.report(this.late.size > 0);
  }

  close() {
    for (const timer of this.timers.values()) clearTimeout(timer);
  }
}

// --- the list of names ---------------------------------------------------------------------

class Menu {
  constructor(id, words, box) {
    this.box = box;
    this.node = make("ul", { role: "listbox", id, class: "glm-menu", "aria-label": words.names });
    box.setAttribute("aria-autocomplete", "list");
    box.setAttribute("aria-controls", id);
    this.close();
  }

  get isOpen() { return !this.node.hidden; }
  get options() { return [...this.node.children]; }
  get chosen() { return this.options[this.place].firstChild.textContent; }

  open({ start, names }) {
    this.start = start;
    this.node.replaceChildren(...names.map((name, place) => this.makeOption(name, place)));
    this.node.hidden = !names.length;
    if (names.length) this.choose(0);
    else this.close();
  }

  makeOption({ name, kind }, place) {
    const parts = [make("span", {}, name), make("span", { class: "glm-kind" }, kind)];
    return make("li", { role: "option", id: `${this.node.id}-${place}` }, ...parts);
  }

  choose(place) {
    const { options } = this;
    this.place = (place + options.length) % options.length;
    options.forEach((option, each) => option.setAttribute("aria-selected", each === this.place));
    options[this.place].scrollIntoView({ block: "nearest" });
    this.box.setAttribute("aria-activedescendant", options[this.place].id);
  }

  close() {
    this.node.hidden = true;
    this.box.removeAttribute("aria-activedescendant");
  }
}

// --- the text box --------------------------------------------------------------------------

const OPEN_NAME = /(?<!\\)\{\{[^{}]*$/; // a text that ends within {{name}}

class Box {
  constructor(id, words, line, log) {
    this.line = line;
    this.log = log;
    this.recalled = 0; // which question Up brought back, counted from the newest; 0 is none
    const named = { class: "glm-box", rows: "1", placeholder: words.ask, "aria-label": words.ask };
    this.node = make("textarea", named);
    this.menu = new Menu(id, words, this.node);
  }

  get text() { return this.node.value; }

  set text(text) {
    this.node.value = text;
    this.grow();
  }

  grow() {
    this.node.style.height = "auto";
    this.node.style.height = `${this.node.scrollHeight}px`;
  }

  /** Begin a new line, which JupyterLab keeps the browser from doing in a cell. */
  breakLine() {
    document.execCommand("insertText", false, "\n"); // can be undone, unlike a new value
  }

  input() {
    this.recalled = 0;
    this.grow();
    void this.complete();
  }

  /** Take a key that is not sent; say whether it was one. */
  key({ key, shiftKey }) {
    if (this.menu.isOpen) return this.menuKey(key, shiftKey);
    if (key === "ArrowUp") return this.recall(1);
    return key === "ArrowDown" && this.recall(-1);
  }

  menuKey(key, shiftKey) {
    if (key === "ArrowDown") this.menu.choose(this.menu.place + 1);
    else if (key === "ArrowUp") this.menu.choose(this.menu.place - 1);
    else if ((key === "Enter" || key === "Tab") && !shiftKey) this.pick();
    else {
      if (/^(Escape|ArrowLeft|ArrowRight|Home|End)$/.test(key)) this.menu.close();
      return key === "Escape";
    }
    return true;
  }

  /** Bring back the question *step* before the one shown; say whether there is one. */
  recall(step) {
    const { value, selectionStart: cursor } = this.node;
    const { questions } = this.log;
    const way = step > 0 ? value.slice(0, cursor) : value.slice(cursor);
    const place = this.recalled + step;
    const isTyped = value && !this.recalled;
    if (isTyped || way.includes("\n") || place < 0 || place > questions.length) return false;
    this.recalled = place;
    this.text = place ? questions.at(-place) : "";
    return true;
  }

  async complete() {
    const { value, selectionStart: cursor } = this.node;
    const before = value.slice(0, cursor);
    if (!OPEN_NAME.test(before)) return this.menu.close();
    const asked = { text: value, cursor: Array.from(before).length };
    const { ok, value: found } = await this.line.ask("complete", asked);
    const isStale = this.text !== value || this.node.selectionStart !== cursor;
    if (ok && !isStale) this.menu.open(found);
  }

  pickAt(event) {
    event.preventDefault(); // the text box keeps the focus
    this.menu.choose(this.menu.options.indexOf(event.target.closest("li")));
    this.pick();
  }

  pick() {
    const { value, selectionStart: cursor } = this.node;
    const filled = `${takeCharacters(value, this.menu.start)}${this.menu.chosen}}}`;
    this.text = filled + value.slice(cursor).replace(/^\}\}/, "");
    this.node.setSelectionRange(filled.length, filled.length);
    this.menu.close();
  }
}

// --- what is shown before it is done -------------------------------------------------------

class Sheet {
  constructor(words) {
    this.words = words;
    this.node = make("section", { class: "glm-sheet", hidden: "" });
  }

  /** Show *text* to the letter above a button named *act*, and call *does* when it is pressed. */
  open(title, text, note, act, does) {
    this.back = this.node.getRootNode().activeElement;
    this.does = does;
    const confirm = makeButton("confirm", { confirm: this.words[act] }, "glm-text glm-primary");
    const close = makeButton("close", this.words, "glm-text");
    const shown = make("pre", { class: "glm-exact", tabindex: "0" }, ...markUnseen(text));
    const parts = [make("h4", {}, title), shown, make("p", {}, note)];
    this.node.replaceChildren(...parts, make("div", { class: "glm-bar" }, close, confirm));
    this.node.ariaLabel = title;
    this.node.hidden = false;
    confirm.focus();
  }

  close() {
    const hadFocus = this.node.matches(":focus-within");
    this.node.hidden = true;
    if (hadFocus) this.back.focus();
  }
}

// --- the panel -----------------------------------------------------------------------------

class Panel {
  constructor(model, el) {
    this.model = model;
    this.view = makeId();
    this.words = chooseWords();
    this.now = {}; // what goes on, as the kernel said it last
    this.abort = new AbortController();
    this.build();
    this.listen();
    el.append(this.root);
    this.showStatus({});
    this.line.expect("sync");
    this.line.tell({ op: "sync", view: this.view });
  }

  close() {
    this.abort.abort();
    this.log.observer.disconnect();
    this.line.close();
    this.model.off("msg:custom", this.hear);
    this.root.remove();
  }

  build() {
    const { words, view } = this;
    this.line = new Line(this.model, words, (isLate) => this.showStatus({ isLate }));
    this.log = new Log(words, this.abort.signal);
    this.box = new Box(`${view}-names`, words, this.line, this.log);
    this.settings = new Settings(view, words);
    this.sheet = new Sheet(words);
    this.alert = make("p", { class: "glm-alert", role: "alert" });
    this.notice = make("p", { class: "glm-notice", role: "status" });
    this.announcer = make("p", { class: "glm-unseen", "aria-live": "polite" });
    const named = { class: "glm-panel", role: "region", "aria-label": words.panel };
    const messages = [this.sheet.node, this.alert, this.notice, this.announcer];
    const rows = [this.makeHead(), this.fold, this.log.node, ...messages, this.makeComposer()];
    this.root = make("div", { ...named, "data-jp-suppress-context-menu": "" }, ...rows);
  }

  makeHead() {
    const { words } = this;
    this.undoButton = makeButton("undo", words, "glm-idle");
    this.foldButton = makeButton("settings", words);
    const buttons = [this.undoButton, makeButton("clear", words, "glm-idle"), this.foldButton];
    const exports = ["exportMarkdown", "exportNotebook"];
    const more = exports.map((act) => makeButton(act, words, "glm-text"));
    this.fold = make("div", { class: "glm-fold" }, ...this.settings.folded, ...more);
    this.foldSettings(true);
    return make("header", { class: "glm-head" }, ...this.settings.pickers, ...buttons);
  }

  makeComposer() {
    const { words } = this;
    const cancel = makeButton("cancel", words, "glm-text");
    this.editBar = make("div", { class: "glm-edit-bar", hidden: "" }, words.editing, cancel);
    this.status = make("span", { class: "glm-status" });
    this.sendButton = makeButton("send", words, "glm-primary");
    this.stopButton = makeButton("stop", words, "glm-primary");
    const buttons = [makeButton("preview", words, "glm-text"), this.stopButton, this.sendButton];
    const bar = make("div", { class: "glm-bar" }, this.status, ...buttons);
    const rows = [this.editBar, this.box.menu.node, this.box.node, bar];
    return make("div", { class: "glm-composer" }, ...rows);
  }

  listen() {
    const on = (node, type, does) =>
      node.addEventListener(type, does, { signal: this.abort.signal });
    on(this.root, "click", (event) => this.click(event));
    on(this.root, "keydown", (event) => this.keydown(event));
    on(this.root, "change", (event) => this.change(event));
    on(this.root, "focusin", (event) => this.focusin(event));
    on(this.root, "focusout", (event) => this.focusout(event));
    on(this.box.node, "input", () => this.input());
    on(this.box.node, "compositionstart", () => (this.isComposing = true));
    on(this.box.node, "compositionend", () => (this.isComposing = false));
    on(this.box.menu.node, "pointerdown", (event) => this.box.pickAt(event));
    this.hear = (message) => this.hearers[message.op]?.(message);
    this.model.on("msg:custom", this.hear);
  }

  // What the kernel says.

  hearers = {
    state: (message) => this.showState(message),
    patch: (message) => this.log.patch(message),
    items: ({ ids }) => this.log.keep(ids),
    status: (message) => this.hearStatus(message),
    answer: (message) => this.line.hear(message),
  };

  showState(state) {
    if (state.view && state.view !== this.view) return;
    this.line.settle("sync");
    this.settings.show(state);
    this.log.show(state.items);
    this.alert.textContent = translate(state.error ?? "", this.words);
    this.showStatus({ waiting: "", can_undo: true, ...state });
  }

  hearStatus(status) {
    if (status.busy !== this.now.busy) this.announce(status.busy);
    if (!status.busy) this.line.settle("stop");
    if (status.error) this.alert.textContent = translate(status.error, this.words);
    this.showStatus(status);
  }

  /** Show what goes on; whatever *news* does not say is as it was. */
  showStatus(news) {
    const now = Object.assign(this.now, news);
    const late = now.isLate ? this.words.late : "";
    this.status.textContent =
      now.waiting || late || translate(now.progress ?? "", this.words) || this.words.hint;
    this.root.classList.toggle("glm-busy", Boolean(now.busy));
    this.stopButton.hidden = !now.busy;
    this.sendButton.hidden = Boolean(now.busy);
    this.undoButton.disabled = now.can_undo === false;
  }

  announce(isBusy) {
    const last = this.log.list.lastElementChild;
    const verdict = last && this.log.of(last).verdict.textContent;
    this.announcer.textContent = isBusy ? this.words.started : verdict || this.words.finished;
  }

  /** Ask the kernel, and show what went wrong. */
  async ask(op, fields) {
    const answer = await this.line.ask(op, fields);
    if (!answer.ok) this.alert.textContent = answer.error;
    return answer;
  }

  // What the user does.

  actions = {
    send: () => this.send(),
    stop: () => this.stop(),
    retry: () => this.ask("retry"),
    continue: () => this.ask("continue"),
    undo: () => this.ask("undo"),
    clear: () => this.clear(),
    edit: (button) => this.edit(this.log.of(button)),
    cancel: () => this.endEdit(this.edited.draft),
    toEnd: () => this.log.toEnd(),
    settings: () => this.foldSettings(!this.fold.hidden),
    preview: () => this.preview(),
    confirm: () => this.sheet.does(),
    close: () => this.sheet.close(),
    exportMarkdown: () => this.export("markdown"),
    exportNotebook: () => this.export("notebook"),
    copyText: (button) => this.copyFrom(button, this.log.of(button).text),
    copyCode: (button) => this.copyFrom(button, codeOf(button)),
    insertCode: (button) => this.showCode(codeOf(button)),
  };

  click(event) {
    const image = event.target.closest("a.glm-image");
    if (image && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      loadImage(image);
    }
    const button = event.target.closest("button[data-act]");
    if (!button) return;
    this.dismiss();
    void this.actions[button.dataset.act](button);
  }

  dismiss() {
    this.alert.textContent = this.notice.textContent = "";
  }

  keydown(event) {
    // The keys that build a Chinese word are the input method's; some browsers only say 229.
    if (this.isComposing || event.isComposing || event.keyCode === 229) return;
    if (!this.key(event)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  key(event) {
    const { key, target, shiftKey } = event;
    const isInBox = target === this.box.node;
    if (isInBox && this.box.key(event)) return true;
    if (key === "Escape") return this.escape();
    if (key !== "Enter") return false;
    if (isInBox && shiftKey) this.box.breakLine();
    else if (isInBox) void this.send();
    else if (target.dataset.setting in this.settings.lists) this.box.node.focus(); // sets it
    else return false;
    return true;
  }

  escape() {
    if (!this.sheet.node.hidden) this.sheet.close();
    else if (this.now.busy) this.stop();
    else if (this.edited) this.endEdit(this.edited.draft);
    else return false;
    return true;
  }

  input() {
    this.sheet.close(); // what it shows may no longer be what would be sent
    this.box.input();
  }

  focusin({ target }) {
    // JupyterLab takes Shift+Enter, and letters on a button, for commands unless told here.
    target.dataset.lmSuppressShortcuts = "";
    const { setting } = target.dataset;
    if (setting in this.settings.lists) this.settings.clear(setting);
    if (setting === "model") void this.suggestModels();
  }

  focusout({ target }) {
    const { setting } = target.dataset;
    if (target === this.box.node) this.box.menu.close();
    if (setting in this.settings.lists && !target.value.trim()) this.settings.restore(setting);
  }

  async change({ target }) {
    const name = target.dataset.setting;
    const value = name && this.settings.changed(name);
    if (value === undefined) return;
    this.dismiss();
    const { ok } = await this.ask("set", { name, value });
    if (ok) this.settings.known[name] = String(value);
    else this.settings.restore(name);
  }

  async suggestModels() {
    const { ok, value } = await this.ask("models");
    if (ok) this.settings.suggest("model", value);
  }

  foldSettings(isFolded) {
    this.fold.hidden = isFolded;
    this.foldButton.ariaExpanded = !isFolded;
  }

  // Questions.

  async send() {
    const { text } = this.box;
    if (!text.trim() || text === this.sending) return;
    this.dismiss();
    if (this.now.busy) return void (this.alert.textContent = this.words.busy);
    this.sending = text;
    const edited = this.edited && { item: this.edited.item };
    const { ok } = await this.ask(edited ? "edit" : "send", { ...edited, text });
    this.sending = undefined;
    if (ok) this.sent(text);
  }

  sent(text) {
    this.sheet.close();
    this.box.recalled = 0;
    if (this.box.text === text) this.endEdit(this.edited?.draft ?? "");
    this.log.toEnd();
  }

  edit(item) {
    const draft = this.edited?.draft ?? this.box.text;
    this.endEdit(item.text);
    this.edited = { item: item.node.dataset.item, draft };
    this.editBar.hidden = false;
  }

  endEdit(text) {
    this.edited = undefined;
    this.editBar.hidden = true;
    this.box.text = text;
    this.box.node.focus();
  }

  stop() {
    this.line.expect("stop");
    this.line.tell({ op: "stop" });
    this.showStatus({ progress: this.words.stopping });
  }

  async clear() {
    const { ok } = await this.ask("clear");
    const undo = makeButton("undo", this.words, "glm-text");
    if (ok) this.notice.replaceChildren(this.words.cleared, " ", undo);
  }

  async preview() {
    const { text } = this.box;
    const { ok, value } = await this.ask("preview", { text });
    const isStale = this.box.text !== text;
    if (ok && !isStale) this.sheet.open(this.words.previewed, value, "", "send", () => this.send());
  }

  // What leaves the panel.

  async export(kind) {
    const { ok, value } = await this.ask("export", { kind });
    if (ok) download(value);
  }

  async copyFrom(button, text) {
    if (!(await copy(text))) return void (this.alert.textContent = this.words.uncopied);
    this.announcer.textContent = this.words.copied;
    button.replaceChildren(makeIcon("check"));
    setTimeout(() => button.replaceChildren(makeIcon(button.dataset.act)), 1500);
  }

  /** Show *code* to the letter, and take nothing else when the user agrees. */
  showCode(code) {
    const { inserting, paste } = this.words;
    if (this.notebook) this.sheet.open(inserting, code, "", "insert", () => this.insert(code));
    else this.sheet.open(inserting, code, paste, "copy", () => this.paste(code));
  }

  /** The notebook's shared model, which a front end may show but has not promised. */
  get notebook() {
    const shared = this.model.widget_manager?.context?.model?.sharedModel;
    return shared?.insertCell && shared.cells ? shared : undefined;
  }

  insert(source) {
    const index = this.root.closest("[data-windowed-list-index]")?.dataset.windowedListIndex;
    const below = index ? Number(index) + 1 : this.notebook.cells.length;
    this.notebook.insertCell(below, { cell_type: "code", source });
    this.sheet.close();
    this.notice.textContent = this.words.inserted;
  }

  async paste(code) {
    const isCopied = await copy(code);
    this.sheet.close();
    this.notice.textContent = this.words[isCopied ? "pasted" : "uncopied"];
  }
}

/** Fetch the image that *link* stands for; until now nothing did. */
function loadImage(link) {
  const image = make("img", { alt: link.textContent, referrerpolicy: "no-referrer" });
  link.replaceWith(image);
  image.src = link.href;
}

export default {
  render({ model, el }) {
    const panel = new Panel(model, el);
    return () => panel.close();
  },
};
