#include "cli/output/feature_writer.h"

#include <array>
#include <string>

#include "cli/output/format.h"
#include "cli/output/row_writer.h"

namespace reelsense::cli {
namespace {

constexpr std::size_t kMaxIndexText = kMaxFlowText + 8 * (kMaxIntegerText + 1);
constexpr std::size_t kMaxRowText = kMaxIndexText + (kMaxFeatureCount + kBinValues) * (kMaxFloatText + 1) + 1;

std::string index_columns(FeatureIndex kind) {
  return std::string(kind == FeatureIndex::kSeries
                         ? "flow,second,"
                         : "time,flow,client_ip,client_port,server_ip,server_port,protocol,") +
         "packets_up,packets_down,bytes_up,bytes_down";
}

std::string value_columns(const ViewSchema& schema, bool bins) {
  std::string text;
  for (const FeatureDefinition& feature : schema.features) text += "," + std::string(feature.name);
  if (!bins) return text;
  for (const char* direction : {"down", "up"}) {
    for (std::size_t i = 0; i < kBinsPerWindow; ++i)
      text += std::string(",bin_") + direction + "_" + std::to_string(i);
  }
  return text;
}

}  // namespace

FeatureWriter::FeatureWriter(Output& out, Output* index, FeatureFormat format, bool bins, FeatureIndex kind,
                             const ViewSchema& schema)
    : out_(out), index_(index), format_(format), bins_(bins), kind_(kind), schema_(schema) {}

void FeatureWriter::write_header() {
  if (index_ != nullptr) index_->write(index_columns(kind_) + "\n");
  if (format_ == FeatureFormat::kNpy) {
    npy_.emplace(out_, schema_.features.size() + (bins_ ? kBinValues : 0));
  } else {
    out_.write(index_columns(kind_) + value_columns(schema_, bins_) + "\n");
  }
}

void FeatureWriter::write(const WindowRow& row) {
  if (index_ != nullptr) {
    char* to = put_index(index_->reserve(kMaxIndexText), row);
    *to++ = '\n';
    index_->commit(to);
  }
  if (npy_) {
    npy_->put({row.features, schema_.features.size()});
    if (bins_) {
      std::array<float, kBinValues> bins;
      for (std::size_t i = 0; i < kBinValues; ++i) bins[i] = static_cast<float>(row.bins[i]);
      npy_->put(bins);
    }
    npy_->end_row();
    return;
  }
  char* to = put_index(out_.reserve(kMaxRowText), row);
  for (std::size_t i = 0; i < schema_.features.size(); ++i) {
    *to++ = ',';
    to = put_float(to, row.features[i]);
  }
  for (std::size_t i = 0; bins_ && i < kBinValues; ++i) {
    *to++ = ',';
    to = put_unsigned(to, row.bins[i]);
  }
  *to++ = '\n';
  out_.commit(to);
}

char* FeatureWriter::put_index(char* to, const WindowRow& row) const noexcept {
  if (kind_ == FeatureIndex::kSeries) {
    to = put_unsigned(to, row.flow_id);
    *to++ = ',';
    to = put_signed(to, row.second);
    *to++ = ',';
  } else {
    to = put_signed(to, row.second);
    *to++ = ',';
    to = put_unsigned(to, row.flow_id);
    *to++ = ',';
    to = put_flow_csv(to, row.flow);
  }
  const std::uint64_t counts[] = {row.packets_up, row.packets_down, row.bytes_up, row.bytes_down};
  for (std::size_t i = 0; i < std::size(counts); ++i) {
    if (i != 0) *to++ = ',';
    to = put_unsigned(to, counts[i]);
  }
  return to;
}

void FeatureWriter::finish() {
  if (npy_) npy_->finish();
}

}  // namespace reelsense::cli
