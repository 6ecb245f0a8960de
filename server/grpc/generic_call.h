// Calls by method name with raw bytes, for services whose stubs are not generated here. Thread safety:
// functions.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <string>

namespace reelsense::server {

// Sends one message and reads one back: a unary call, or the first answer of a stream.
inline grpc::Status generic_call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                                 const std::string& request, std::string& response) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto done = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto call = stub.PrepareCall(&context, method, &queue);
  const grpc::Slice slice(request);
  grpc::ByteBuffer out(&slice, 1);
  grpc::ByteBuffer in;
  call->StartCall(nullptr);
  bool alive = done();
  if (alive) {
    call->WriteLast(out, grpc::WriteOptions(), nullptr);
    alive = done();
  }
  if (alive) {
    call->Read(&in, nullptr);
    if (done()) {
      std::vector<grpc::Slice> slices;
      (void)in.Dump(&slices);
      response.clear();
      for (const grpc::Slice& part : slices)
        response.append(reinterpret_cast<const char*>(part.begin()), part.size());
    }
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  done();
  queue.Shutdown();
  while (done()) {
  }
  return status;
}

}  // namespace reelsense::server
