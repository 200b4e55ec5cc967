/* Kinds that this version cannot open. ferry.conf may name them, so that the catalog lists their
 * mirrors. */
#include "mirror/kinds.h"

static const char *const s3_keys[] = { "bucket",     "prefix",        "endpoint",    "profile",
				       "path-style", "storage-class", "credentials", NULL };
static const char *const r2_keys[] = { "account",      "bucket",  "prefix",      "endpoint",
				       "jurisdiction", "profile", "credentials", NULL };
static const char *const github_keys[] = { "owner", "repo", "tag", "part-size", "api", NULL };
static const char *const git_keys[] = { "remote", "branch", "prefix", "author", NULL };

const struct mirror_ops mirror_s3 = { .kind = "s3", .keys = s3_keys };
const struct mirror_ops mirror_r2 = { .kind = "r2", .keys = r2_keys };
const struct mirror_ops mirror_github = { .kind = "github", .keys = github_keys };
const struct mirror_ops mirror_git = { .kind = "git", .keys = git_keys, .metadata_only = true };
