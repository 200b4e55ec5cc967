/*
 * CloudWatch's request metrics of a bucket: what S3 itself has counted, where the owner of the
 * bucket has switched them on. They are sent on a best-effort basis and are no complete account:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html
 *
 * Needs the right cloudwatch:GetMetricData.
 */
#ifndef FERRY_S3_CLOUDWATCH_H
#define FERRY_S3_CLOUDWATCH_H

#include "s3/s3.h"

struct cloudwatch_hour {
	int64_t start_s;
	uint64_t gets;                   /* GetRequests */
	uint64_t bytes;                  /* BytesDownloaded */
	uint64_t errors_4xx, errors_5xx; /* of requests of all kinds */
};
/* A negative return ends reading and is returned. */
typedef int cloudwatch_fn(void *ctx, const struct cloudwatch_hour *h, struct err *e);

/* CloudWatch keeps hours for 455 days. */
#define CLOUDWATCH_MAX_HOURS (455 * 24)

/* The hours from from_s to to_s, at most CLOUDWATCH_MAX_HOURS, in order; those without a request
 * are left out. filter: the id of the metrics configuration of the bucket ("EntireBucket"). The
 * server is AWS_ENDPOINT_URL_CLOUDWATCH, or that of the bucket's region. ERR_AUTH: it refuses;
 * ERR_USAGE: the place is not AWS. Nothing is retried.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html */
WARN_UNUSED int cloudwatch_requests(struct http_client *c, struct s3_place *p, const char *filter,
				    int64_t from_s, int64_t to_s, cloudwatch_fn *fn, void *ctx,
				    struct err *e);

#endif
