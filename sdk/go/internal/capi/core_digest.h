// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "f430d08db861639d0efc0bc6a83e00b3108c38ff86fcf6212dcfe5a9ce50f1eb"
