// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "ae58a15ddb57ca4295f4e42f3109aaf2d87c4f5408e6d6eb3a09588af7764c6d"
