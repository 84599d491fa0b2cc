// Light, dark, or as the system says. A cookie keeps the choice, so the server writes it into the page before the first paint.
const YEAR = 365 * 24 * 3600

function current() {
  return document.documentElement.dataset.theme ?? 'system'
}

function choose(theme) {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  const age = theme === 'system' ? 0 : YEAR
  document.cookie = `theme=${theme}; Path=/; Max-Age=${age}; SameSite=Lax${location.protocol === 'https:' ? '; Secure' : ''}`
  show()
}

function show() {
  for (const choice of document.querySelectorAll('[data-theme-choice]')) choice.hidden = false
  for (const button of document.querySelectorAll('[data-theme-set]')) {
    button.setAttribute('aria-pressed', String(button.dataset.themeSet === current()))
  }
}

document.addEventListener('click', (event) => {
  const button = event.target instanceof Element && event.target.closest('[data-theme-set]')
  if (button) choose(button.dataset.themeSet)
})
show()
