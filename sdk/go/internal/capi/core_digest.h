// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "e53c3d68c3741d48fda9d94f9385100e9f701075e50143bfbde2cbb12fe47bdc"
