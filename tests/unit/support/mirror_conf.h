/* A mirror of a configuration's text. */
#ifndef FERRY_TESTS_MIRROR_CONF_H
#define FERRY_TESTS_MIRROR_CONF_H

#include "mirror/mirror.h"

/* Opens its only [mirror.NAME]; fails the test when it does not open. Paths are absolute. */
struct mirror *mirror_conf_open(const char *text);

#endif
