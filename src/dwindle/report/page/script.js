"use strict";
// Without this script the page is complete, only unsorted, and with a few places more to stop at by keyboard.
// What scrolls by itself is a stop only while there is something to scroll.
const stop = (region) => {
  const scrolls = region.scrollWidth > region.clientWidth + 1 || region.scrollHeight > region.clientHeight + 1;
  if (scrolls) region.tabIndex = 0;
  else region.removeAttribute("tabindex");
};
const stops = new ResizeObserver((seen) => seen.forEach(({ target }) => stop(target)));
document.querySelectorAll(".wide, pre").forEach((region) => stops.observe(region));
// On paper nothing can be unfolded.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((folded) => (folded.open = true)));
// Sorts a table by the column whose heading is pressed.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  if (body.rows.length < 3) continue;
  heads.forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows];
      const value = (row) => row.cells[place].dataset.order ?? row.cells[place].textContent;
      const missing = (text) => text === "nan" || text === "" || text === "–";
      rows.sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        if (missing(x) || missing(y)) return missing(x) - missing(y);
        const [p, q] = [x, y].map((text) => (text === "inf" ? Infinity : Number(text)));
        const order = Number.isNaN(p) || Number.isNaN(q) ? x.localeCompare(y) : p === q ? 0 : p - q;
        return down ? -order : order;
      });
      body.append(...rows);
    });
  });
}
