// Opens dialogs by data-dialog-open="<id>"; a click beside one closes it.
document.addEventListener('click', (event) => {
  if (!(event.target instanceof Element)) return
  const opener = event.target.closest('[data-dialog-open]')
  if (opener) document.getElementById(opener.dataset.dialogOpen)?.showModal()
  else if (event.target.matches('dialog[open]')) event.target.close()
})
