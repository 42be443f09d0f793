// The pages work without this script. It keeps the overview up to date, and adds a
// checkbox that selects all records of a page.
(() => {
  "use strict";

  const live = document.getElementById("live");
  const news = document.getElementById("news");
  const connection = document.getElementById("connection");

  const show = (state, text) => {
    connection.dataset.state = state;
    connection.textContent = text;
  };

  let source = null;
  const open = () => {
    if (source || document.hidden) {
      return;
    }
    source = new EventSource("live");
    source.addEventListener("stats", (event) => {
      const focused = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      live.innerHTML = event.data; // made by the server's templates, which escape
      if (focused) {
        [...live.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
      }
      show("on", "Live");
    });
    source.addEventListener("news", (event) => { news.textContent = event.data; });
    source.addEventListener("failed", (event) => {
      show("failed", event.data);
      news.textContent = event.data;
    });
    source.onerror = () => {
      show("off", "Not live: connecting again");
      if (source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(open, 30000); // refused, for example because too many pages are live
      }
    };
  };
  const close = () => {
    source?.close();
    source = null;
  };
  if (live && window.EventSource) {
    open();
    // A browser has six connections to a host. Hidden tabs leave them to others.
    document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
    addEventListener("pagehide", close);
  }

  const table = document.getElementById("selectable");
  if (table) {
    const boxes = [...table.querySelectorAll("tbody input[type=checkbox]")];
    const all = document.createElement("input");
    all.type = "checkbox";
    all.setAttribute("aria-label", "Select all of this page");
    const update = () => {
      const checked = boxes.filter((box) => box.checked).length;
      all.checked = checked === boxes.length;
      all.indeterminate = checked > 0 && checked < boxes.length;
    };
    all.addEventListener("change", () => boxes.forEach((box) => { box.checked = all.checked; }));
    table.addEventListener("change", update);
    table.querySelector("thead th").append(all);
    update();
  }
})();
