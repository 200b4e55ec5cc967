/* Regions of AWS. */
#ifndef FERRY_S3_REGION_H
#define FERRY_S3_REGION_H

/* That of requests without a region; as the location of a bucket it must not be named. */
#define REGION_DEFAULT "us-east-1"

/* "amazonaws.com", or "amazonaws.com.cn". */
const char *region_domain(const char *region);

#endif
