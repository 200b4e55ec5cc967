/*
 * push_repair: `push --repair` repairs the releases that mirrors show, and publishes nothing new.
 */
#ifndef FERRY_PUBLISH_PUSH_REPAIR_H
#define FERRY_PUBLISH_PUSH_REPAIR_H

#include "publish/push.h"

/*
 * Leaves out of the plans what would publish something new (push_plan.left_out). A mirror that
 * shows the tree's release is repaired completely. On one that shows an older release, or none,
 * what is there and wrong is replaced, but what is missing may be new and is left out. A mirror
 * without metadata shows what the others show. A damaged timestamp.json counts as the tree's when
 * the mirror has everything else.
 */
void push_repair_limit(struct push_mirror *mirrors, size_t count);

#endif
