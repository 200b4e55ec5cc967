/*
 * speed: how fast earlier pushes sent bytes to a mirror, to estimate how long the next one takes.
 * The file, <tree>/.ferry/speed/<mirror>, is only an aid: one line with bytes per second.
 */
#ifndef FERRY_PUBLISH_SPEED_H
#define FERRY_PUBLISH_SPEED_H

#include "util/base.h"

/* Bytes per second; 0: not known. dir NULL: no record. */
uint64_t speed_read(const char *dir, const char *id);
/* After a push. Too few bytes say nothing, and are not recorded. */
void speed_note(const char *dir, const char *id, uint64_t bytes, uint64_t ms);

#endif
