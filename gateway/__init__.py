"""tag-gateway: from a shopper's click to an event TikTok accepted.

A beacon's way, in the order of the files it passes:

1. `static/snippet.js` runs on the store's page. `web/snippet` served it, filled for this store. It posts a beacon to
   the gateway's own name on the store's domain.
2. `web/front` finds the client behind the proxies (`web/forwarded`) and the store by Host, and hands the request to
   `web/beacon`, which reads who is asking (`web/hits`, `web/cookies`), how fast (`web/limiter`) and at most 64 KiB of
   body.
3. `intake/receive` says what it means: `intake/beacon` decodes and validates, `intake/bots` screens, `model/consent`
   decides, `intake/identify` finds the signed ids, the anchors and the click, and events come out, with raw email and
   phone already turned into digests (`model/normalise`).
4. `store/writer` collects everything that arrives together into one transaction; `store/record` finds or makes the
   visitor, links the anchors, queues each event once per pixel (`store/checkout_twins` gives the two tellings of one
   checkout's start one id). Only after the commit does `web/beacon` answer 204, with the visitor's cookies.
5. `delivery/worker` is woken, `delivery/lane` claims what is due under a lease, `delivery/packing` takes each event,
   `delivery/settlements` holds back what must not go, `tiktok/payload` writes the others, `tiktok/client` sends them,
   `tiktok/answers` judges the answer.
6. The lane settles: the event has its fate, TikTok's request id is in `attempts`, and the outbox forgets it.
7. `store/search` finds what became of it, `model/telling` says so in plain words, and `ops/retention` lets go of it
   when it is old. All along `store/rollups` counts by the hour, and `store/reports` reads the figures.

An order takes the same way from step 4 on: `web/webhook` checks its signature, `shopify/orders` reads it,
`intake/orders` finds its visitor. `ops/reconcile` brings what no webhook told.

A person looks through `admin`, the dashboard (`admin/door` lets in, `admin/pages` show), or through the commands of
`cli`: `ops/install` says what to paste where, `ops/doctor` what is wrong, `ops/ledger` what became of something;
`ops/erase` forgets somebody, `ops/prune` in exports. As SQLite has one writer, the running gateway makes the
changes (`ops/control` finds it). On PostgreSQL any number of nodes share the work: each claims what no other holds
(`store/postgresql`), by the database's clock (`delivery/clock`), and one of them does what is to be done but once
(`store/leader`). How much a process may have in hand for all its pixels is bounded by `delivery/hands`.

What happens on the way is counted and logged through `signals`; `delivery/alerts` watches, and tells an operator.

`app` wires what serves, `beside` what goes on beside that, and nothing else does; `settings` is read once; `errors`
draws every exception raised on purpose. Imports point down this list: `cli`, `demo`, `app`, `beside`, then `web`,
`admin`, `delivery` and `ops` side by side, then `intake`, `shopify` and `tiktok`, then `store`, `model`, `settings`,
`errors`. `lint-imports` keeps it so.
"""
