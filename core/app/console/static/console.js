// What HTML and htmx cannot say: when a page is not looked at it asks for nothing, and when it is
// out of date it says so. Nothing in the console depends on this.
"use strict";
(() => {
  const stale = () => document.getElementById("stale");
  const isPoll = (element) => element.hasAttribute("data-live");

  // A part that refreshes by itself does not, while nobody sees it or somebody types in it.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isPoll(event.detail.elt) && document.hidden) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    document.querySelectorAll("[data-live]").forEach((part) => window.htmx.trigger(part, "seen"));
  });
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    if (event.detail.target.contains(document.activeElement)) event.preventDefault();
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    // `elt` is what is in the page now: the part itself may have been replaced.
    if (isPoll(event.detail.requestConfig.elt)) stale().hidden = event.detail.successful;
  });
})();
