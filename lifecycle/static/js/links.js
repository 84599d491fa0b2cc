// A link opened with a modifier key opens a tab, also when htmx would have fetched it into the page.
document.addEventListener(
  'click',
  (event) => {
    if (!(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)) return
    if (event.target instanceof Element && event.target.closest('a[href][hx-get]')) event.stopImmediatePropagation()
  },
  true,
)
