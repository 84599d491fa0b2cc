// The one script of the product; each behavior has its own file and finds its own elements. Without it every page still works.
import htmx from 'htmx.org'
import './links.js'
import './theme.js'
import './menu.js'
import './dialog.js'
import './forms.js'
import './keep-input.js'
import './notices.js'
import './drawer.js'
import './board-place.js'
import './board-drag.js'
import './board-keys.js'
import './board-live.js'
import './board-stages.js'
import './collapse.js'
import './quick-add.js'

window.htmx = htmx
