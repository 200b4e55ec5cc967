/*
 * have: GET /v1/have/HEX, for peers (serve/cache/peers.h): which pieces of an object are here or on
 * their way. 404 if there is nothing of it, and if the caller may not pull it. Nothing is fetched.
 */
#ifndef FERRY_SERVE_HAVE_H
#define FERRY_SERVE_HAVE_H

#include "serve/route.h"

#define HAVE_PATH "/v1/have/"

void have_answer(struct edge *e, const struct route_request *r, struct face_answer *out,
		 struct route_stream **stream);

#endif
