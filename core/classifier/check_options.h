// What both classifiers ask of their model and options. Thread safety: pure function.
#pragma once

#include "reelsense/classifier/classifier.h"

namespace reelsense {

// kInvalidArgument names the option that is out of range; kMismatch: a model of another view.
Status check_options(const UeModel* model, View view, const ClassifierOptions& options);

}  // namespace reelsense
