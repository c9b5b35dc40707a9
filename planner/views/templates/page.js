"use strict";
// The page is whole without this script. It adds the filter, every group that was read, and the keyboard.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const LIST_FIRST = 50; // rows of the list that are shown at once: the matrix must not be far
  const LIST_STEP = 200; // rows that `Show more` adds
  const SPARE = 12; // rows of the matrix that are kept above and below what is seen
  const PRINT_COLUMNS = 36; // nodes that fit beside each other on paper
  const PRINT_CELLS = 100000; // more would keep the browser busy for minutes
  const groupNames = data.groups.map((name) => name.toLowerCase());
  const nodeNames = data.nodes.map((name) => name.toLowerCase());
  const allColumns = data.nodes.map((_, at) => at);
  const kindOf = Object.fromEntries(Object.entries(data.states).map(([letter, state]) => [letter, state[3]]));
  const kindsOf = data.cells.map((line) => {
    let kinds = 0; // one bit per kind
    for (const letter of line) if (kindOf[letter] >= 0) kinds |= 1 << kindOf[letter];
    return kinds;
  });
  for (const [group, kind] of data.rows) if (data.whole.includes(kind)) kindsOf[group] |= 1 << kind;
  const counts = data.kinds.map((_, kind) => data.rows.reduce((sum, row) => sum + (row[1] === kind), 0));
  const reasonOf = new Map(data.rows.map(([group, kind, reason]) => [`${group} ${kind}`, data.reasons[reason]]));

  let kinds = (1 << data.kinds.length) - 1; // those that are shown, one bit each
  let shown = { rows: [], columns: [], list: [] };
  let listed = LIST_FIRST;
  let active = { row: 0, column: 0 }; // of the matrix; column 0 is the group's name
  let drawn = ""; // which part of the matrix is in the page
  let rowHeight = 30;

  const grid = $("grid");
  const cells = $("cells");
  const scroll = $("scroll");

  function element(name, text, kind) {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }

  const number = (value) => value.toLocaleString("en-US");
  const plural = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

  // ------------------------------------------------------------------------------------ what is shown

  // Every word must be found in the group's id or in the node's name: so a word may choose rows or columns.
  function choose() {
    const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const onlyChanges = $("only").checked;
    const columnsOf = new Map([["", allColumns]]);
    const used = new Uint8Array(data.nodes.length);
    const chosen = new Map();
    data.groups.forEach((_, group) => {
      const missing = words.filter((word) => !groupNames[group].includes(word));
      const key = missing.join(" ");
      if (!columnsOf.has(key)) {
        columnsOf.set(key, allColumns.filter((at) => missing.every((word) => nodeNames[at].includes(word))));
      }
      const columns = columnsOf.get(key);
      if (!columns.length) return;
      const line = data.cells[group];
      let found = kindsOf[group];
      if (missing.length) {
        found = 0;
        for (const at of columns) if (kindOf[line[at]] >= 0) found |= 1 << kindOf[line[at]];
      }
      if (found & kinds || (!onlyChanges && !found)) chosen.set(group, columns);
    });
    for (const columns of new Set(chosen.values())) for (const at of columns) used[at] = 1;
    const list = data.rows.filter(
      ([group, kind]) =>
        kinds & (1 << kind) &&
        chosen.has(group) &&
        (data.whole.includes(kind) || chosen.get(group).some((at) => kindOf[data.cells[group][at]] === kind)),
    );
    shown = { rows: [...chosen.keys()], columns: allColumns.filter((at) => used[at]), list };
  }

  function refresh() {
    choose();
    listed = LIST_FIRST;
    active = { row: 0, column: 0 };
    drawn = "";
    if (scroll) scroll.scrollTop = scroll.scrollLeft = 0;
    drawList();
    drawHead();
    drawRows();
    const nodes = shown.columns.length < data.nodes.length && shown.rows.length ? ` on ${plural(shown.columns.length, "node")}` : "";
    $("found").textContent = `${number(shown.rows.length)} of ${plural(data.groups.length, "group")}${nodes}`;
  }

  // ------------------------------------------------------------------------------- the list of changes

  function nodesOf(group, kind) {
    const names = data.nodes.filter((_, at) => kindOf[data.cells[group][at]] === kind);
    if (names.length === data.nodes.length && names.length > 1) return `all ${plural(names.length, "node")}`;
    if (names.length <= 4) return names.join(", ");
    return `${names.slice(0, 3).join(", ")} and ${number(names.length - 3)} more`;
  }

  function listRow([group, kind, reason]) {
    const [name, symbol] = data.kinds[kind];
    const row = element("tr");
    const action = element("td", "", name);
    const mark = element("span", symbol);
    mark.setAttribute("aria-hidden", "true");
    action.append(mark, `${symbol && " "}${name}`);
    const head = element("th");
    head.scope = "row";
    head.append(element("bdi", data.groups[group]));
    row.append(action, head, element("td", nodesOf(group, kind)), element("td", data.reasons[reason]));
    return row;
  }

  function drawList() {
    if (!$("list")) return;
    $("list").replaceChildren(...shown.list.slice(0, listed).map(listRow));
    const rest = shown.list.length - listed;
    $("more-line").hidden = rest <= 0 && shown.list.length > 0;
    $("more").hidden = rest <= 0;
    $("more-text").textContent = rest > 0 ? `${number(rest)} more.` : "Nothing matches the filter.";
  }

  function showMore() {
    const next = listed;
    listed += LIST_STEP;
    drawList();
    const row = $("list").rows[next];
    if (!$("more").hidden || !row) return;
    row.tabIndex = -1;
    row.focus(); // the button is gone: the keyboard goes on where the new rows begin
  }

  // ----------------------------------------------------------------------------------------- the matrix

  function headRow(columns) {
    const row = element("tr");
    for (const [name, text] of [["Group", "Group"], ...columns.map((at) => [data.nodes[at], data.nodes[at]])]) {
      const head = element("th");
      head.scope = "col";
      head.title = name;
      head.append(element("span", text));
      row.append(head);
    }
    return row;
  }

  function gridRow(group, columns) {
    const row = element("tr");
    const head = element("th");
    head.scope = "row";
    head.title = data.groups[group];
    head.append(element("bdi", data.groups[group]));
    row.append(head);
    for (const at of columns) {
      const [name, symbol, label] = data.states[data.cells[group][at]];
      const cell = element("td", symbol, name);
      cell.setAttribute("aria-label", label);
      row.append(cell);
    }
    return row;
  }

  function drawHead() {
    if (!grid) return;
    grid.tHead.replaceChildren(headRow(shown.columns));
    grid.setAttribute("aria-rowcount", shown.rows.length + 1);
    grid.setAttribute("aria-colcount", shown.columns.length + 1);
    const widest = shown.rows.reduce((most, group) => Math.max(most, data.groups[group].length), 5);
    grid.rows[0].cells[0].style.minWidth = `min(${widest + 4}ch, 24rem, 45vw)`;
    $("where").textContent = "";
  }

  function gap(rows) {
    const row = element("tr", "", "gap");
    row.setAttribute("aria-hidden", "true");
    const cell = element("td");
    cell.colSpan = shown.columns.length + 1;
    cell.style.height = `${rows * rowHeight}px`;
    row.append(cell);
    return row;
  }

  // Only the rows that can be seen are in the page, between two gaps that stand for the others.
  function drawRows() {
    if (!grid) return;
    const total = shown.rows.length;
    const seen = Math.ceil((scroll.clientHeight || 600) / rowHeight) + 2 * SPARE;
    const first = Math.max(0, Math.min(Math.floor(scroll.scrollTop / rowHeight) - SPARE, total - seen));
    const last = Math.min(total, Math.max(first + seen, 60));
    if (drawn === `${first} ${last}`) return;
    drawn = `${first} ${last}`;
    const focused = cells.contains(document.activeElement);
    const rows = shown.rows.slice(first, last).map((group, at) => {
      const row = gridRow(group, shown.columns);
      row.setAttribute("aria-rowindex", first + at + 2);
      row.dataset.at = first + at;
      return row;
    });
    if (first) rows.unshift(gap(first));
    if (last < total) rows.push(gap(total - last));
    cells.replaceChildren(...rows);
    const sample = cells.querySelector("tr[data-at]");
    const height = sample ? sample.getBoundingClientRect().height : 0;
    if (height && Math.abs(height - rowHeight) > 0.5) {
      rowHeight = height;
      drawn = "";
      drawRows();
      return;
    }
    const cell = cellAt(active) || (sample && sample.cells[active.column]);
    if (cell) cell.tabIndex = 0;
    if (focused) (cellAt(active) || scroll).focus({ preventScroll: true });
  }

  function cellAt({ row, column }) {
    const found = cells.querySelector(`tr[data-at="${row}"]`);
    return found ? found.cells[column] : null;
  }

  function describe(cell) {
    const row = cell && cell.closest("tr[data-at]");
    if (!row) return;
    const group = shown.rows[row.dataset.at];
    if (cell.cellIndex === 0) {
      $("where").textContent = data.groups[group];
      return;
    }
    const at = shown.columns[cell.cellIndex - 1];
    const letter = data.cells[group][at];
    const reason = reasonOf.get(`${group} ${kindOf[letter]}`);
    const label = data.states[letter][2];
    const why = reason && !label.includes(reason) ? ` (${reason})` : "";
    $("where").textContent = `${data.groups[group]} on ${data.nodes[at]}: ${label}${why}`;
  }

  function go(row, column) {
    const old = cells.querySelector('[tabindex="0"]');
    if (old) old.removeAttribute("tabindex");
    active = {
      row: Math.max(0, Math.min(row, shown.rows.length - 1)),
      column: Math.max(0, Math.min(column, shown.columns.length)),
    };
    const head = grid.tHead.offsetHeight;
    const top = active.row * rowHeight;
    if (top < scroll.scrollTop) scroll.scrollTop = top;
    if (top + rowHeight + head > scroll.scrollTop + scroll.clientHeight) {
      scroll.scrollTop = top + rowHeight + head - scroll.clientHeight;
    }
    drawRows();
    const cell = cellAt(active);
    if (!cell) return;
    cell.tabIndex = 0;
    cell.focus({ preventScroll: true });
    if (cell.cellIndex) {
      scroll.style.scrollPaddingLeft = `${cell.parentNode.cells[0].offsetWidth}px`;
      scroll.style.scrollPaddingTop = `${head}px`;
      cell.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else {
      scroll.scrollLeft = 0;
    }
  }

  function move(event) {
    const { row, column } = active;
    const page = Math.max(1, Math.floor((scroll.clientHeight - grid.tHead.offsetHeight) / rowHeight) - 1);
    const lastRow = shown.rows.length - 1;
    const lastColumn = shown.columns.length;
    const moves = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      PageUp: [row - page, column],
      PageDown: [row + page, column],
      Home: [event.ctrlKey ? 0 : row, 0],
      End: [event.ctrlKey ? lastRow : row, lastColumn],
    };
    if (!moves[event.key] || event.altKey || event.metaKey || !shown.rows.length) return;
    event.preventDefault();
    go(...moves[event.key]);
  }

  // ------------------------------------------------------------------------------------------- printing

  // Paper cannot be scrolled: what the filter leaves is printed whole, in blocks of nodes.
  function beforePrint() {
    document.body.classList.add("printing");
    listed = Math.max(listed, Math.min(shown.list.length, PRINT_CELLS / 10));
    drawList();
    if (!grid) return;
    const most = Math.max(1, Math.floor(PRINT_CELLS / Math.max(shown.columns.length, 1)));
    const rows = shown.rows.slice(0, most);
    const blocks = [];
    for (let from = 0; from < shown.columns.length; from += PRINT_COLUMNS) {
      const columns = shown.columns.slice(from, from + PRINT_COLUMNS);
      const table = element("table", "", grid.className);
      const head = element("thead");
      const body = element("tbody");
      head.append(headRow(columns));
      body.append(...rows.map((group) => gridRow(group, columns)));
      table.append(head, body);
      blocks.push(table);
    }
    if (rows.length < shown.rows.length) {
      blocks.push(element("p", `The first ${plural(rows.length, "group")} of ${number(shown.rows.length)}; filter to print others.`));
    }
    $("print").replaceChildren(...blocks);
  }

  function afterPrint() {
    document.body.classList.remove("printing");
    if ($("print")) $("print").replaceChildren();
  }

  // ------------------------------------------------------------------------------------------- the page

  function isDark() {
    return (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  }

  function nameTheme() {
    $("theme").textContent = isDark() ? "Light" : "Dark";
    $("theme").setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colors`);
  }

  function kindButton([name, symbol, verb], kind) {
    const button = element("button", `${symbol} ${name}`.trim(), name);
    button.type = "button";
    button.title = `${number(counts[kind])} ${verb}`;
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      kinds ^= 1 << kind;
      button.setAttribute("aria-pressed", String(Boolean(kinds & (1 << kind))));
      refresh();
    });
    return button;
  }

  function begin() {
    for (const each of document.querySelectorAll(".static")) each.remove();
    $("kinds").append(...data.kinds.map(kindButton).filter((_, kind) => counts[kind]));
    const unchanged = kindsOf.some((found) => !found);
    $("only").checked = data.rows.length > 0;
    $("only-label").hidden = !unchanged || !data.rows.length;
    $("bar").hidden = !data.groups.length;
    for (const id of ["theme", "keys", "coverage"]) if ($(id)) $(id).hidden = false;
    if (grid) {
      grid.setAttribute("role", "grid");
      scroll.tabIndex = -1;
      $("where").hidden = false;
      scroll.addEventListener("scroll", drawRows, { passive: true });
      scroll.addEventListener("keydown", move);
      cells.addEventListener("mousedown", (event) => {
        const cell = event.target.closest("td, th");
        const row = cell && cell.closest("tr[data-at]");
        if (row) go(Number(row.dataset.at), cell.cellIndex);
      });
      cells.addEventListener("focusin", (event) => describe(event.target));
      let pointer = "";
      cells.addEventListener("mousemove", (event) => {
        const here = `${event.clientX} ${event.clientY}`; // a page that moves below a pointer says nothing new
        if (here !== pointer) describe(event.target.closest("td, th"));
        pointer = here;
      });
    }
    let waiting = 0;
    $("find").addEventListener("input", () => {
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(refresh);
    });
    $("only").addEventListener("change", refresh);
    if ($("more")) $("more").addEventListener("click", showMore);
    document.addEventListener("keydown", (event) => {
      const typing = event.target.matches("#find");
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        $("find").focus();
        $("find").select();
      } else if (event.key === "Escape" && $("find").value) {
        $("find").value = "";
        refresh();
        $("find").focus();
      }
    });
    $("theme").addEventListener("click", () => {
      document.documentElement.dataset.theme = isDark() ? "light" : "dark";
      nameTheme();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
    matchMedia("print").addEventListener("change", (query) => (query.matches ? beforePrint() : afterPrint()));
    addEventListener("beforeprint", beforePrint);
    addEventListener("afterprint", afterPrint);
    nameTheme();
    refresh();
  }

  begin();
})();
