"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const styles = () => getComputedStyle(document.documentElement);
  const paint = (value, css) => {
    if (typeof value === "string") return /^@[a-z]+$/.test(value) ? css.getPropertyValue("--" + value.slice(1)).trim() || css.getPropertyValue("--muted").trim() : value;
    if (Array.isArray(value)) return value.map(each => paint(each, css));
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, paint(each, css)]));
    return value;
  };
  const axis = css => ({ gridcolor: css.getPropertyValue("--grid").trim(), linecolor: css.getPropertyValue("--rule").trim(), zerolinecolor: css.getPropertyValue("--rule").trim(), automargin: true, tickfont: { size: 12 } });
  const named = axis => axis && axis.title ? { ...axis, title: { ...axis.title, font: { size: 12.5 } } } : axis;
  const draw = () => {
    const css = styles();
    for (const place of document.querySelectorAll("[data-figure]")) {
      const figure = paint(figures[place.dataset.figure], css), layout = figure.layout;
      if (layout.height) place.style.height = layout.height + "px";
      Plotly.react(place, figure.data, {
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 58, r: 14, t: 22, b: 48 },
        font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: css.getPropertyValue("--soft").trim() },
        legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, hoverlabel: { align: "left" },
        ...layout, xaxis: { ...axis(css), ...named(layout.xaxis) }, yaxis: { ...axis(css), ...named(layout.yaxis) },
      }, { responsive: true, displayModeBar: false });
    }
  };
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
