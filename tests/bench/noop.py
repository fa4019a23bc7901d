"""The least that a WSGI application can do: what the update service is measured against."""

BODY = b'<?xml version="1.0"?>\n<updates>\n</updates>'


def application(environ, start_response):
    start_response(
        "200 OK", [("Content-Type", "text/xml; charset=utf-8"), ("Content-Length", str(len(BODY)))]
    )
    return [BODY]
