// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "0d51e38d2ef26ba53d17f73c9987acde2e1e89b02e6824d93cca136a12bfdd20"
