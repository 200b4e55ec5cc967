/* Kinds that this version cannot open. ferry.conf may name them, so that the catalog lists their
 * mirrors. */
#include "mirror/kinds.h"

static const char *const github_keys[] = { "owner", "repo", "tag", "part-size", "api", NULL };

const struct mirror_ops mirror_github = { .kind = "github", .keys = github_keys };
