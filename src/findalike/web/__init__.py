"""The only place that knows status codes: the REST API, and the page that is its first client.

app       routes, the guards before them, and errors as problems
search    assets    files    uploads    exports    runs (jobs)    about (the library, health)    routes
service   what the routes share; gate bounds the ways to it; jobs index in the background
config    what the operator decides; access, guard, protocol and fetch hold clients to it
static    the page: HTML, CSS and ES modules, as they are
"""
