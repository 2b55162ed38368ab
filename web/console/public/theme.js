// Before the first paint, so that nobody at night sees a white flash. A file of its own: the policy allows no inline script.
(function () {
  var theme = null, density = null;
  try {
    theme = localStorage.getItem("posthorn.theme");
    density = localStorage.getItem("posthorn.density");
  } catch (e) {
    /* storage is switched off: the system's theme */
  }
  var dark = theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.documentElement.dataset.density = density || "default";
})();
