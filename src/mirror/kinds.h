/* The kinds, one object file each. */
#ifndef FERRY_MIRROR_KINDS_H
#define FERRY_MIRROR_KINDS_H

#include "mirror/mirror.h"

/*
 * file: a folder. An upload writes to .ferry/partial/<sha256>.part below it and renames; after a
 * kill, the next upload hashes the existing pieces and continues. Symbolic links below the folder
 * are never followed. Conditions are safe against all writers that use this code (through the
 * lock file .ferry/lock, where locks work).
 */
extern const struct mirror_ops mirror_file;

/* bundle: one file with the objects of a release (bundle_index.h), read only. A file:// URL of a
 * regular file is of this kind: it stands before file in the lists. */
extern const struct mirror_ops mirror_bundle;

/* http: read only. A mirror loses MIRROR_CAN_RANGE when its server ignores a range; get() still
 * works, by skipping the bytes before the range. */
extern const struct mirror_ops mirror_http;

/*
 * names: read only. Files that lie on a web server under names of their own, at the URLs that
 * m->places and the template have. Only model files are read from there. Written in ferry.conf as
 * kind = http with layout = names.
 */
extern const struct mirror_ops mirror_names;

/*
 * s3: a bucket of any S3-compatible server; r2: the same at Cloudflare's endpoint of an account.
 * What a server can do is found out by probing. An object of one piece, and metadata, is one PUT;
 * a larger one is a multipart upload with the pieces as parts, which the next upload of the
 * object continues.
 */
extern const struct mirror_ops mirror_s3;
extern const struct mirror_ops mirror_r2;

/*
 * git: a branch of a git repository; metadata only. What is put, copied or removed is staged, and
 * seen through the same mirror; publish() makes one commit of it and pushes that. A condition is
 * checked again when somebody else pushed in the meantime. Clients read the branch over http.
 */
extern const struct mirror_ops mirror_git;

/*
 * oci: a repository of a registry (oci.h). Objects are blobs; metadata and names become visible to
 * readers with publish(), which also writes manifests for Docker Model Runner, ModelPack and
 * Ollama. The reading half is that of clients, under the same name.
 */
extern const struct mirror_ops mirror_oci;
extern const struct mirror_ops mirror_oci_read;

/*
 * github: the releases of a repository on GitHub; objects only. An object is an asset, or several
 * if it is large. New releases are drafts until publish(). mirror_github_read is its reading half,
 * for mirrors of a signed catalog.
 */
extern const struct mirror_ops mirror_github;
extern const struct mirror_ops mirror_github_read;

#endif
