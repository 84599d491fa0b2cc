// What is half typed survives a swap that the person did not ask for, unless the server changed that very field.
let kept = []

function key(control) {
  return control.id || (control.form && control.name ? `${control.form.id || control.form.getAttribute('action')}|${control.name}|${control.value && control.type === 'radio' ? control.value : ''}` : '')
}

function isChoice(control) {
  return control.type === 'checkbox' || control.type === 'radio'
}

function remember(scope, submitted) {
  if (!scope?.querySelectorAll) return
  for (const control of scope.querySelectorAll('input, textarea, select')) {
    if (['hidden', 'password', 'file', 'submit'].includes(control.type) || !key(control)) continue
    if (submitted && control.form === submitted) continue
    const dirty = isChoice(control)
      ? control.checked !== control.defaultChecked
      : control.tagName === 'SELECT'
        ? [...control.options].some((option) => option.selected !== option.defaultSelected)
        : control.value !== control.defaultValue
    if (!dirty) continue
    kept.push({
      key: key(control), value: control.value, checked: control.checked, before: control.defaultValue,
      focused: control === document.activeElement, start: control.selectionStart, end: control.selectionEnd,
    })
  }
}

function restore(scope) {
  if (!kept.length || !scope?.querySelectorAll) return
  const controls = new Map([...scope.querySelectorAll('input, textarea, select')].map((control) => [key(control), control]))
  kept = kept.filter((entry) => {
    const control = controls.get(entry.key)
    if (!control) return true
    if (isChoice(control)) control.checked = entry.checked
    else if (control.tagName === 'SELECT' || control.defaultValue === entry.before) control.value = entry.value
    // What was typed is not hidden by a fold that came back closed.
    const fold = control.closest('details')
    if (fold) fold.open = true
    if (entry.focused) {
      control.focus({ preventScroll: true })
      try {
        control.setSelectionRange(entry.start, entry.end)
      } catch {
        // Number and date fields have no selection.
      }
    }
    return false
  })
}

function submittedBy(event) {
  const element = event.detail.requestConfig?.elt
  return element instanceof HTMLFormElement ? element : element?.closest?.('form')
}

document.addEventListener('htmx:beforeSwap', (event) => {
  if (event.detail.shouldSwap) remember(event.detail.target, submittedBy(event))
})
document.addEventListener('htmx:oobBeforeSwap', (event) => remember(event.detail.target, null))
document.addEventListener('htmx:afterSwap', (event) => restore(event.detail.target ?? event.target))
document.addEventListener('htmx:oobAfterSwap', (event) => restore(document))
document.addEventListener('htmx:afterSettle', () => {
  kept = []
})
