"use strict";

// Before anything is drawn: Swagger UI's own dark style, when the reader's system is dark.
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", apply);
  apply();
})();
