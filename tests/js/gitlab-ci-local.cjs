// usage: node gitlab-ci-local.cjs NPM OPTION…: gitlab-ci-local, which validates .gitlab-ci.yml by
// GitLab's schema and runs its jobs. It needs one method that Node.js has only since 22.
const [npm, ...options] = process.argv.slice(2);
Set.prototype.union ??= function (other) { return new Set([...this, ...other]); };
process.argv = [process.argv[0], "gitlab-ci-local", ...options];
import(`${npm}/node_modules/gitlab-ci-local/dist/index.js`);
