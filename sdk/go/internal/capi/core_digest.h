// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "e76f93181cb2ea45e1cdeb89f37383824868cdc6a3fbfe3109e6d693f558f1b3"
