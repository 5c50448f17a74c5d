"""The dashboard at /admin: one password, server-drawn pages, no script but our own.

A request's way: `web/front` lets it in on `admin_hosts` alone; `door` puts the security headers on whatever is
answered, refuses what another site made the browser send (`same_origin`) and leads everybody without a session
(`access`) to the sign-in; `dashboard` routes it to its page.

A page is one module in `pages` and one template of the same name in templates/admin: a `Page` says its name, its title
and the function that finds what the template shows, given a `View` (who looks at which store, in which time zone). To
add one, write the two files and name the page in `pages.PAGES`. Nothing here knows SQL; what a page asks of `ops` is
handed over by `gateway.app` in a `Backend`.
"""
