// Runs before the first paint, so that a chosen theme does not flash.
(function () {
  var chosen = null;
  try { chosen = localStorage.getItem("trialogue-theme"); } catch (e) { /* storage may be off */ }
  if (chosen) document.documentElement.dataset.theme = chosen;
})();
