// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "bc71a4084a1052ef6c36c3a17e72e301199cfc609f844cd9c7a9831f62cfe0bc"
