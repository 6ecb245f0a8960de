// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "0c7578f0b4a25fea4ac88fdabe438cde372f2d5da99b6547d5ead34fbe8cbcf1"
