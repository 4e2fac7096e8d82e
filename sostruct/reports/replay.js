"use strict";
(() => {
  const root = document.querySelector(".replay");
  const data = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
  const states = { ".": "absent", o: "there", n: "new", t: "tuned", g: "gone" };
  const slider = root.querySelector("input"), output = root.querySelector("output");
  const parts = [...root.querySelectorAll("[data-part]")];
  const lists = [...root.querySelectorAll("[data-frame]")];
  const rows = [...root.querySelectorAll(".nodes tbody tr")];
  const curve = root.querySelector(".curve");
  const said = curve ? JSON.parse(curve.dataset.said) : [];
  const last = data.epochs.length - 1;

  const show = (frame) => {
    for (const part of parts) {
      const number = Number(part.dataset.part), fill = data.fills[frame][number];
      part.setAttribute("class", states[data.states[frame][number]] + (fill ? " fill-" + fill : ""));
      const words = data.texts[frame][number], line = part.querySelector("text");
      if (part.dataset.role === "text" && words !== undefined && line) line.textContent = words;
    }
    for (const list of lists) list.hidden = Number(list.dataset.frame) !== frame;
    rows.forEach((row, number) => {
      const cells = data.rows[frame][number];
      row.hidden = cells === null;
      if (cells === null) return;
      for (const place of [0, 1, 2]) if (row.cells[place + 1] && place < cells.length) row.cells[place + 1].textContent = cells[place];
      const whisker = row.querySelector(".whisker");
      if (!whisker) return;
      const [left, width, middle] = (cells[3] || "0 0 -9").split(" ");
      whisker.style.setProperty("--left", left + "%");
      whisker.style.setProperty("--width", width + "%");
      whisker.style.setProperty("--middle", middle + "%");
    });
    if (curve) {
      const x = data.x[frame], cursor = curve.querySelector(".cursor"), dot = curve.querySelector("circle");
      curve.querySelector("rect").setAttribute("width", x);
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", data.y[frame]);
      curve.querySelector(".value").textContent = said[frame];
    }
    const count = data.edits[frame];
    const words = "epoch " + data.epochs[frame] + ": " + (count ? count + (count === 1 ? " edit" : " edits") : "no edit");
    output.textContent = words;
    slider.value = frame;
    slider.setAttribute("aria-valuetext", words);
  };

  const move = (step) => show(Math.min(last, Math.max(0, Number(slider.value) + step)));
  const fromAddress = () => {
    const wanted = /^#epoch=(\d+)$/.exec(location.hash);
    if (wanted) show(data.epochs.reduce((best, epoch, frame) => (epoch <= Number(wanted[1]) ? frame : best), 0));
  };
  slider.addEventListener("input", () => show(Number(slider.value)));
  root.querySelector(".back").addEventListener("click", () => move(-1));
  root.querySelector(".ahead").addEventListener("click", () => move(1));
  addEventListener("hashchange", fromAddress);
  root.classList.add("live");
  show(last);
  fromAddress();
})();
