import 'htmx.org'
import 'sortablejs'
