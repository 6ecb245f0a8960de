// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "f6a53d0d96544bed33af690c94daaef569edb910c2af05e8845571d4c85b3b38"
