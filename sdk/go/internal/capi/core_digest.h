// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "8d4b9f3228323c5a47e23fdac1cbeebb172c64d417747725077996c77e7608a3"
