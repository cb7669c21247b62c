"""Failures of servers that do not know the contract, and the reasons that they give."""

from __future__ import annotations

import gzip

from attrs import frozen

_HTML, _TEXT, _JSON = "text/html", "text/plain", "application/json"
_NONE = "no reason given"


@frozen
class ForeignAnswer:
    """A failure, and the reason that an error quotes from it."""

    status: int
    content_type: str
    body: str | bytes
    reason: str


ANSWERS = {
    "HAProxy 503": ForeignAnswer(
        503,
        _HTML,
        (
            "<html><body><h1>503 Service Unavailable</h1>\n"
            "No server is available to handle this request.\n</body></html>\n"
        ),
        "503 Service Unavailable No server is available to handle this request.",
    ),
    "HAProxy 400": ForeignAnswer(
        400,
        _HTML,
        (
            "<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid request.\n"
            "</body></html>\n"
        ),
        "400 Bad request Your browser sent an invalid request.",
    ),
    "HAProxy 504": ForeignAnswer(
        504,
        _HTML,
        (
            "<html><body><h1>504 Gateway Time-out</h1>\nThe server didn't respond in time.\n"
            "</body></html>\n"
        ),
        "504 Gateway Time-out The server didn't respond in time.",
    ),
    "HAProxy 403": ForeignAnswer(
        403,
        _HTML,
        (
            "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n"
            "</body></html>\n"
        ),
        "403 Forbidden Request forbidden by administrative rules.",
    ),
    "HAProxy 401": ForeignAnswer(
        401,
        _HTML,
        (
            "<html><body><h1>401 Unauthorized</h1>\n"
            "You need a valid user and password to access this content.\n</body></html>\n"
        ),
        "401 Unauthorized You need a valid user and password to access this content.",
    ),
    "nginx without a client certificate": ForeignAnswer(
        400,
        _HTML,
        (
            "<html>\r\n"
            "<head><title>400 No required SSL certificate was sent</title></head>\r\n"
            "<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n"
            "<center>No required SSL certificate was sent</center>\r\n"
            "<hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n"
        ),
        "400 No required SSL certificate was sent",
    ),
    "nginx, http to https": ForeignAnswer(
        400,
        _HTML,
        (
            "<html>\r\n"
            "<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n"
            "<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n"
            "<center>The plain HTTP request was sent to HTTPS port</center>\r\n"
            "<hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n"
        ),
        "400 The plain HTTP request was sent to HTTPS port",
    ),
    "nginx 413": ForeignAnswer(
        413,
        _HTML,
        (
            "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n"
            "<center><h1>413 Request Entity Too Large</h1></center>\r\n"
            "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
            "<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n"
        ),
        "413 Request Entity Too Large",
    ),
    "Apache 404": ForeignAnswer(
        404,
        _HTML,
        (
            '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n'
            "<title>404 Not Found</title>\n</head><body>\n<h1>Not Found</h1>\n"
            "<p>The requested URL was not found on this server.</p>\n<hr>\n"
            "<address>Apache/2.4.57 (Debian) Server at localhost Port 80</address>\n"
            "</body></html>\n"
        ),
        "404 Not Found The requested URL was not found on this server.",
    ),
    "Apache, http to https": ForeignAnswer(
        400,
        _HTML,
        (
            '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n'
            "<title>400 Bad Request</title>\n</head><body>\n<h1>Bad Request</h1>\n"
            "<p>Your browser sent a request that this server could not understand.<br />\n"
            "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />\n"
            " Instead use the HTTPS scheme to access this URL, please.<br />\n</p>\n"
            "</body></html>\n"
        ),
        (
            "400 Bad Request Your browser sent a request that this server could not understan"
            "d. Reason: You're speaking plain HTTP to an SSL-enabled server port. Instead use"
            " the HTTPS scheme to access this URL, pl"
        ),
    ),
    "Apache 502": ForeignAnswer(
        502,
        _HTML,
        (
            '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n'
            "<title>502 Proxy Error</title>\n</head><body>\n<h1>Proxy Error</h1>\n"
            "<p>The proxy server received an invalid\r\n"
            "response from an upstream server.<br />\r\n"
            "The proxy server could not handle the request<p>Reason: <strong>Error reading fr"
            "om remote server</strong></p></p>\n</body></html>\n"
        ),
        (
            "502 Proxy Error The proxy server received an invalid response from an upstream s"
            "erver. The proxy server could not handle the request Reason: Error reading from "
            "remote server"
        ),
    ),
    "lighttpd": ForeignAnswer(
        404,
        _HTML,
        (
            '<?xml version="1.0" encoding="iso-8859-1"?>\n'
            '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"\n'
            '         "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n'
            '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">\n <head>\n'
            "  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n"
            " </body>\n</html>\n"
        ),
        "404 Not Found",
    ),
    "Envoy": ForeignAnswer(
        503,
        _TEXT,
        (
            "upstream connect error or disconnect/reset before headers. reset reason: connect"
            "ion failure"
        ),
        (
            "upstream connect error or disconnect/reset before headers. reset reason: connect"
            "ion failure"
        ),
    ),
    "AWS ALB": ForeignAnswer(
        503,
        _HTML,
        (
            "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n"
            "<body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n"
            "</body>\r\n</html>\r\n"
        ),
        "503 Service Temporarily Unavailable",
    ),
    "Cloudflare 522": ForeignAnswer(
        522,
        "text/html; charset=UTF-8",
        (
            "<!DOCTYPE html>\n"
            '<!--[if lt IE 7]> <html class="no-js ie6 oldie" lang="en-US"> <![endif]-->\n'
            '<!--[if gt IE 8]><!--> <html class="no-js" lang="en-US"> <!--<![endif]-->\n'
            "<head>\n"
            "\n"
            "\n"
            "<title>teamwire.example | 522: Connection timed out</title>\n"
            '<meta charset="UTF-8" />\n'
            '<script>var x="<title>no</title>"</script></head><body><div>'
            + "Error code 522 " * 40
            + "</div></body></html>"
        ),
        "teamwire.example | 522: Connection timed out",
    ),
    "Cloudflare text": ForeignAnswer(403, _TEXT, "error code: 1020", "error code: 1020"),
    "IIS": ForeignAnswer(
        404,
        _HTML,
        (
            '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/x'
            'html1/DTD/xhtml1-strict.dtd">\r\n<html xmlns="http://www.w3.org/1999/xhtml">\r\n'
            "<head>\r\n"
            '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1"/>\r\n'
            '<title>404 - File or directory not found.</title>\r\n<style type="text/css">\r\n'
            "<!--\r\nbody{margin:0}\r\n-->\r\n</style>\r\n</head>\r\n<body>\r\n"
            '<div id="header"><h1>Server Error</h1></div>\r\n<div id="content">\r\n'
            ' <div class="content-container"><fieldset>\r\n'
            "  <h2>404 - File or directory not found.</h2>\r\n"
            "  <h3>The resource you are looking for might have been removed, had its name cha"
            "nged, or is temporarily unavailable.</h3>\r\n </fieldset></div>\r\n</div>\r\n"
            "</body>\r\n</html>\r\n"
        ),
        (
            "404 - File or directory not found. Server Error The resource you are looking for"
            " might have been removed, had its name changed, or is temporarily unavailable."
        ),
    ),
    "http.sys": ForeignAnswer(
        400,
        _HTML,
        (
            '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN""http://www.w3.org/TR/html4/str'
            'ict.dtd">\r\n<HTML><HEAD><TITLE>Bad Request</TITLE>\r\n'
            '<META HTTP-EQUIV="Content-Type" Content="text/html; charset=us-ascii"></HEAD>\r\n'
            "<BODY><h2>Bad Request - Invalid Hostname</h2>\r\n"
            "<hr><p>HTTP Error 400. The request hostname is invalid.</p>\r\n</BODY></HTML>\r\n"
        ),
        "Bad Request - Invalid Hostname",
    ),
    "Werkzeug": ForeignAnswer(
        404,
        _HTML,
        (
            "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n"
            "<h1>Not Found</h1>\n"
            "<p>The requested URL was not found on the server. If you entered the URL manuall"
            "y please check your spelling and try again.</p>\n"
        ),
        (
            "404 Not Found The requested URL was not found on the server. If you entered the "
            "URL manually please check your spelling and try again."
        ),
    ),
    "Werkzeug debugger": ForeignAnswer(
        500,
        _HTML,
        (
            "<!doctype html>\n"
            "<html lang=en>\n"
            "  <head>\n"
            "    <title>KeyError: &#39;x&#39;\n"
            " // Werkzeug Debugger</title>\n"
            '    <link rel="stylesheet" href="?__debugger__=yes&amp;cmd=resource&amp;f=st'
            'yle.css">\n'
            " <script>\n"
            "      var CONSOLE_MODE = false,\n"
            '          SECRET = "abc";\n'
            "    </script>\n"
            "  </head>\n"
            '  <body style="background-color: #fff">\n' + "<p>Traceback</p>" * 100
        ),
        "KeyError: 'x' // Werkzeug Debugger",
    ),
    "Django debug": ForeignAnswer(
        404,
        _HTML,
        (
            "<!DOCTYPE html>\n"
            '<html lang="en">\n'
            "<head>\n"
            '  <meta http-equiv="content-type" content="text/html; charset=utf-8">\n'
            "  <title>Page not found at /v1/bot/me/</title>\n"
            '  <meta name="robots" content="NONE,NOARCHIVE">\n'
            '  <style type="text/css">\n'
            + "html * { padding:0; }\n" * 300
            + "</style></head><body>..."
        ),
        "Page not found at /v1/bot/me/",
    ),
    "Django 404": ForeignAnswer(
        404,
        _HTML,
        (
            '\n<!doctype html>\n<html lang="en">\n<head>\n  <title>Not Found</title>\n'
            "</head>\n<body>\n"
            "  <h1>Not Found</h1><p>The requested resource was not found on this server.</p>\n"
            "</body>\n</html>\n"
        ),
        "The requested resource was not found on this server.",
    ),
    "Django 500": ForeignAnswer(
        500,
        _HTML,
        (
            '\n<!doctype html>\n<html lang="en">\n<head>\n'
            "  <title>Server Error (500)</title>\n</head>\n<body>\n"
            "  <h1>Server Error (500)</h1><p></p>\n</body>\n</html>\n"
        ),
        "Server Error (500)",
    ),
    "Django wrong host": ForeignAnswer(
        400, _HTML, "<h1>Bad Request (400)</h1>", "Bad Request (400)"
    ),
    "Django CSRF": ForeignAnswer(
        403,
        _HTML,
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n'
            "  <title>403 Forbidden</title><style>x</style></head>\n<body>\n"
            '<div id="summary">\n  <h1>Forbidden <span>(403)</span></h1>\n'
            "  <p>CSRF verification failed. Request aborted.</p>\n</div></body></html>"
        ),
        "403 Forbidden CSRF verification failed. Request aborted.",
    ),
    "gunicorn": ForeignAnswer(
        400,
        _HTML,
        (
            "<html>\n  <head>\n    <title>Bad Request</title>\n  </head>\n  <body>\n"
            "    <h1><p>Bad Request</p></h1>\n    Invalid HTTP Version &#x27;HTTP/0.0&#x27;\n"
            "  </body>\n</html>\n"
        ),
        "Bad Request Invalid HTTP Version 'HTTP/0.0'",
    ),
    "Traefik": ForeignAnswer(404, _TEXT, "404 page not found\n", "404 page not found"),
    "Varnish": ForeignAnswer(
        503,
        _HTML,
        (
            "<!DOCTYPE html>\n<html>\n  <head>\n    <title>503 Backend fetch failed</title>\n"
            "  </head>\n  <body>\n    <h1>Error 503 Backend fetch failed</h1>\n"
            "    <p>Backend fetch failed</p>\n    <h3>Guru Meditation:</h3>\n"
            "    <p>XID: 32770</p>\n    <hr>\n    <p>Varnish cache server</p>\n  </body>\n"
            "</html>\n"
        ),
        "503 Backend fetch failed Guru Meditation: XID: 32770",
    ),
    "Tomcat": ForeignAnswer(
        404,
        _HTML,
        (
            '<!doctype html><html lang="en"><head><title>HTTP Status 404 - Not Found</title><'
            'style type="text/css">body {font-family:Tahoma}</style></head><body><h1>HTTP Sta'
            'tus 404 - Not Found</h1><hr class="line" /><p><b>Type</b> Status Report</p><p><b'
            ">Message</b> The requested resource [/v1/bot/me/] is not available</p><p><b>Desc"
            "ription</b> The origin server did not find a current representation for the targ"
            'et resource or is not willing to disclose that one exists.</p><hr class="line" /'
            "><h3>Apache Tomcat/9.0.65</h3></body></html>"
        ),
        "HTTP Status 404 - Not Found",
    ),
    "Spring": ForeignAnswer(
        404,
        _HTML,
        (
            "<html><body><h1>Whitelabel Error Page</h1><p>This application has no explicit ma"
            "pping for /error, so you are seeing this as a fallback.</p><div id='created'>Mon"
            " Nov 29</div><div>There was an unexpected error (type=Not Found, status=404).</d"
            "iv></body></html>"
        ),
        (
            "Whitelabel Error Page This application has no explicit mapping for /error, so yo"
            "u are seeing this as a fallback. Mon Nov 29 There was an unexpected error (type="
            "Not Found, status=404)."
        ),
    ),
    "Squid": ForeignAnswer(
        503,
        _HTML,
        (
            '<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/st'
            'rict.dtd">\n<html><head>\n'
            '<meta type="copyright" content="Copyright (C) 1996-2020 The Squid Software Found'
            'ation and contributors">\n'
            "<title>ERROR: The requested URL could not be retrieved</title>\n"
            '<style type="text/css"><!-- body --></style></head><body id="ERR_CONNECT_FAIL">\n'
            '<div id="titles">\n<h1>ERROR</h1>\n'
            "<h2>The requested URL could not be retrieved</h2>\n</div>\n<hr>\n"
            '<div id="content">\n'
            "<p>The following error was encountered while trying to retrieve the URL: <a href"
            '="http://x/">http://x/</a></p>\n<blockquote id="error">\n'
            "<p><b>Connection to 127.0.0.1 failed.</b></p>\n</blockquote>\n"
            "</div></body></html>"
        ),
        "ERROR: The requested URL could not be retrieved",
    ),
    "RFC 9457": ForeignAnswer(
        403,
        "application/problem+json",
        (
            '{"type":"https://example.com/probs/out-of-credit","title":"You do not have enoug'
            'h credit.","detail":"Your current balance is 30, but that costs 50.","instance":'
            '"/account/12345/msgs/abc"}'
        ),
        "You do not have enough credit: Your current balance is 30, but that costs 50.",
    ),
    "RFC 9457 without detail": ForeignAnswer(
        404,
        "application/problem+json",
        '{"type":"about:blank","title":"Not Found","status":404}',
        "Not Found",
    ),
    "RFC 9457 in XML": ForeignAnswer(
        404,
        "application/problem+xml",
        (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<problem xmlns="urn:ietf:rfc:7807"><type>https://x</type><title>You do not have '
            "enough credit.</title><detail>Your balance is 30.</detail></problem>"
        ),
        "You do not have enough credit. Your balance is 30.",
    ),
    "Kong": ForeignAnswer(
        404,
        _JSON,
        '{"message":"no Route matched with those values"}',
        "no Route matched with those values",
    ),
    "Django REST": ForeignAnswer(404, _JSON, '{"detail":"Not found."}', "Not found."),
    "OAuth": ForeignAnswer(
        401,
        _JSON,
        '{"error":"invalid_token","error_description":"The access token expired"}',
        "The access token expired",
    ),
    "JSON:API": ForeignAnswer(
        422,
        _JSON,
        (
            '{"errors":[{"status":"422","title":"Invalid Attribute","detail":"First name must'
            ' contain at least two characters."}]}'
        ),
        "Invalid Attribute: First name must contain at least two characters.",
    ),
    "list of texts": ForeignAnswer(422, _JSON, '{"errors":["one","two"]}', "one"),
    "FastAPI": ForeignAnswer(
        422,
        _JSON,
        ('{"detail":[{"loc":["query","q"],"msg":"field required","type":"value_error.missing"}]}'),
        "field required",
    ),
    "NestJS": ForeignAnswer(
        400,
        _JSON,
        '{"statusCode":400,"message":["a must be a string"],"error":"Bad Request"}',
        "a must be a string",
    ),
    "Spring JSON": ForeignAnswer(
        404,
        _JSON,
        '{"timestamp":"2026","status":404,"error":"Not Found","path":"/v1/bot/me/"}',
        "Not Found",
    ),
    "Kubernetes": ForeignAnswer(
        403,
        _JSON,
        (
            '{"kind":"Status","apiVersion":"v1","status":"Failure","message":"forbidden: User'
            ' \\"system:anonymous\\" cannot get path","reason":"Forbidden","code":403}'
        ),
        'forbidden: User "system:anonymous" cannot get path',
    ),
    "Apigee": ForeignAnswer(
        401,
        _JSON,
        (
            '{"fault":{"faultstring":"Invalid ApiKey","detail":{"errorcode":"oauth.v2.Invalid'
            'ApiKey"}}}'
        ),
        "Invalid ApiKey",
    ),
    "AWS API": ForeignAnswer(
        403, _JSON, '{"Message":"User is not authorized"}', "User is not authorized"
    ),
    "GraphQL": ForeignAnswer(
        400,
        _JSON,
        '{"errors":[{"message":"Must provide query string."}]}',
        "Must provide query string.",
    ),
    "Google": ForeignAnswer(
        403,
        _JSON,
        (
            '{"error":{"code":403,"message":"The caller does not have permission","status":"P'
            'ERMISSION_DENIED"}}'
        ),
        "The caller does not have permission",
    ),
    "JSON text": ForeignAnswer(403, _JSON, '"Forbidden"', "Forbidden"),
    "Elasticsearch": ForeignAnswer(
        404,
        _JSON,
        (
            '{"error":{"root_cause":[{"type":"x","reason":"no such index"}],"type":"x","reaso'
            'n":"no such index"},"status":404}'
        ),
        "no such index",
    ),
    "JSON without a reason": ForeignAnswer(500, _JSON, '{"status":"error"}', _NONE),
    "JSON that is cut off": ForeignAnswer(500, _JSON, '{"message":"cut of', _NONE),
    "S3": ForeignAnswer(
        403,
        "application/xml",
        (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            "<Error><Code>AccessDenied</Code><Message>Access Denied</Message><RequestId>44425"
            "87FB7D0A2F9</RequestId><HostId>abc</HostId></Error>"
        ),
        "Access Denied",
    ),
    "SOAP": ForeignAnswer(
        500,
        "text/xml",
        (
            '<?xml version="1.0"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/'
            'envelope/"><soap:Body><soap:Fault><faultcode>soap:Server</faultcode><faultstring'
            ">Server was unable to process request.</faultstring></soap:Fault></soap:Body></s"
            "oap:Envelope>"
        ),
        "Server was unable to process request.",
    ),
    "Latin-1": ForeignAnswer(
        403,
        "text/html; charset=iso-8859-1",
        b"<title>Zugriff verweigert f\xfcr B\xfcro</title>",
        "Zugriff verweigert für Büro",
    ),
    "Latin-1 without charset": ForeignAnswer(
        403, _TEXT, b"Zugriff verweigert f\xfcr B\xfcro", "Zugriff verweigert f�r B�ro"
    ),
    "UTF-16": ForeignAnswer(
        403,
        "text/plain; charset=utf-16",
        "Zugriff verweigert für Büro".encode("utf-16"),
        "Zugriff verweigert für Büro",
    ),
    "windows-1251": ForeignAnswer(
        403,
        "text/plain; charset=windows-1251",
        b"\xc4\xee\xf1\xf2\xf3\xef \xe7\xe0\xef\xf0\xe5\xf9\xb8\xed",
        "Доступ запрещён",
    ),
    "charset that is none": ForeignAnswer(
        403, "text/plain; charset=unicode_escape", "a\\u0041", "a\\u0041"
    ),
    "compressed without a header": ForeignAnswer(
        502, _HTML, gzip.compress(b"<html>x</html>"), _NONE
    ),
    "picture": ForeignAnswer(404, "image/png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", _NONE),
    "nothing": ForeignAnswer(503, _HTML, "", _NONE),
    "spaces": ForeignAnswer(503, _HTML, "  \n ", _NONE),
    "page without text": ForeignAnswer(503, _HTML, "<html><body></body></html>", _NONE),
    "page with a script only": ForeignAnswer(
        403, _HTML, "<html><script>location='/x'</script></html>", _NONE
    ),
    "single page application": ForeignAnswer(
        404,
        _HTML,
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"/><title>Teamwire</tit'
            'le><script defer="defer" src="/static/js/main.js"></script></head><body><noscrip'
            't>You need to enable JavaScript to run this app.</noscript><div id="root"></div>'
            "</body></html>"
        ),
        "Teamwire",
    ),
    "control characters": ForeignAnswer(
        500, _TEXT, "\x1b[31mred\x1b[0m alarm\x07\r\nsecond line\u202eevil", _NONE
    ),
    "control characters in references": ForeignAnswer(
        500,
        _HTML,
        "<title>&#27;[31m&#x202e;a&lt;b&gt; &amp;amp; &nbsp; x</title>",
        "[31m a<b> &amp; x",
    ),
    "firewall": ForeignAnswer(
        403,
        _HTML,
        (
            '<!DOCTYPE html>\n<html lang="en">\n    <head>\n        <meta charset="UTF-8">\n'
            '        <style type="text/css">x</style>\n'
            "        <title>Web Filter Violation</title>\n    </head>\n"
            '    <body><div class="message-container"><div class="logo"></div><h1>FortiGuard '
            "Intrusion Prevention - Access Blocked</h1><h3>Web Page Blocked</h3><p>You have t"
            "ried to access a web page that is in violation of your Internet usage policy.</p"
            "></div></body></html>"
        ),
        (
            "Web Filter Violation FortiGuard Intrusion Prevention - Access Blocked Web Page B"
            "locked You have tried to access a web page that is in violation of your Internet"
            " usage policy."
        ),
    ),
    "PHP": ForeignAnswer(
        500,
        _HTML,
        (
            "<br />\n"
            "<b>Fatal error</b>:  Uncaught Error: Call to undefined function x() in <b>/var/w"
            "ww/x.php</b> on line <b>3</b><br />"
        ),
        ("Fatal error: Uncaught Error: Call to undefined function x() in /var/www/x.php on line 3"),
    ),
    "Rails": ForeignAnswer(
        404,
        _HTML,
        (
            "<!DOCTYPE html>\n<html>\n<head>\n"
            "  <title>The page you were looking for doesn't exist (404)</title>\n"
            '  <meta name="viewport" content="width=device-width">\n'
            '  <style>x</style></head><body class="rails-default-error-page">\n'
            '  <!-- This file lives in public/404.html -->\n  <div class="dialog">\n'
            "    <div>\n      <h1>The page you were looking for doesn't exist.</h1>\n"
            "      <p>You may have mistyped the address or the page may have moved.</p>\n"
            "    </div>\n"
            "    <p>If you are the application owner check the logs for more information.</p>"
            "\n  </div>\n</body>\n</html>"
        ),
        (
            "The page you were looking for doesn't exist (404) You may have mistyped the addr"
            "ess or the page may have moved. If you are the application owner check the logs "
            "for more information."
        ),
    ),
    "Express": ForeignAnswer(
        404,
        "text/html; charset=utf-8",
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            "<title>Error</title>\n</head>\n<body>\n<pre>Cannot GET /v1/bot/me/</pre>\n"
            "</body>\n</html>\n"
        ),
        "Error Cannot GET /v1/bot/me/",
    ),
    "Kubernetes backend": ForeignAnswer(
        404, _TEXT, "default backend - 404", "default backend - 404"
    ),
    "Istio": ForeignAnswer(403, _TEXT, "RBAC: access denied", "RBAC: access denied"),
    "Google load balancer": ForeignAnswer(
        502,
        "text/html; charset=UTF-8",
        (
            "\n<html><head>\n"
            '<meta http-equiv="content-type" content="text/html;charset=utf-8">\n'
            "<title>502 Server Error</title>\n</head>\n<body text=#000000 bgcolor=#ffffff>\n"
            "<h1>Error: Server Error</h1>\n"
            "<h2>The server encountered a temporary error and could not complete your request"
            ".<p>Please try again in 30 seconds.</h2>\n<h2></h2>\n</body></html>\n"
        ),
        (
            "502 Server Error The server encountered a temporary error and could not complete"
            " your request. Please try again in 30 seconds."
        ),
    ),
    "Akamai": ForeignAnswer(
        403,
        _HTML,
        (
            "<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n"
            "<H1>Access Denied</H1>\n \n"
            'You don\'t have permission to access "http&#58;&#47;&#47;x&#47;" on this server.<'
            "P>\nReference&#32;&#35;18&#46;1\n</BODY>\n</HTML>\n"
        ),
        (
            'Access Denied You don\'t have permission to access "http://x/" on this server. Re'
            "ference #18.1"
        ),
    ),
    "one tag": ForeignAnswer(500, _TEXT, "<no data>", _NONE),
    "long text": ForeignAnswer(500, _TEXT, "word " * 500, ("word " * 40).strip()),
    "Jira": ForeignAnswer(
        400, _JSON, '{"errorMessages": ["It does not exist."], "errors": {}}', "It does not exist."
    ),
    "Cloudflare API": ForeignAnswer(
        403,
        _JSON,
        '{"success": false, "errors": [{"code": 7003, "message": "no route"}], "messages": []}',
        "no route",
    ),
    "text in brackets": ForeignAnswer(500, _TEXT, "[error] upstream died", "[error] upstream died"),
    "JSON after a byte order mark": ForeignAnswer(
        500, _JSON, b'\xef\xbb\xbf{"message": "no"}', "no"
    ),
    "page after a comment": ForeignAnswer(
        500, _HTML, "<!-- generated -->\n<html><title>No</title></html>", "No"
    ),
    "page with an open script": ForeignAnswer(500, _HTML, "<html><script>var a = 1", _NONE),
    "LiteSpeed": ForeignAnswer(
        404,
        _HTML,
        "<html><head><title> 404 Not Found\r\n</title></head><body><h1>404</h1>\n"
        "<h2>Not Found\r\n</h2>\n<p>The resource could not be found on this server!</p>",
        "404 Not Found The resource could not be found on this server!",
    ),
}
