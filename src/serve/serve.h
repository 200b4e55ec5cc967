/*
 * serve: the edge: a verified mirror near the engines, over HTTP.
 *
 *   door      sockets, connections, and the threads of libmicrohttpd
 *   exchange  one request, from its headers to the last byte of its answer
 *   route     which face answers a path, and what it may be asked for
 *   range     Range, If-Range, and conditional requests (RFC 9110)
 *   worker    what may wait: misses, key sets, Redis, documents
 *   operate   /healthz, /metrics, /v1/…, events, the access log
 *
 * What always holds here:
 *  - nothing in the threads of the server waits for a disk that is slow, the network, Redis or a
 *    lock that is held meanwhile: the connection is suspended, and a worker goes on;
 *  - what was not verified is not sent. An answer that cannot be completed ends short: its
 *    connection is closed, and never ended cleanly;
 *  - a model that a caller may not have answers as one that does not exist, also in time;
 *  - no key, token or foreign text gets into a log unescaped, and no secret at all.
 */
#ifndef FERRY_SERVE_SERVE_H
#define FERRY_SERVE_SERVE_H

#endif
