/* plain: the paths of a mirror: /NAME/metadata/…, /NAME/targets/…; with one repository, also
 * without its name. What a mirror of the repository has, under the same keys. */
#ifndef FERRY_SERVE_FACE_PLAIN_H
#define FERRY_SERVE_FACE_PLAIN_H

#include "serve/face/face.h"

/* Is the path one of a plain mirror of these repositories? Then it answers, else it leaves *out as
 * it is. */
bool face_plain(const struct face_views *v, const struct face_request *r, struct face_answer *out);

#endif
