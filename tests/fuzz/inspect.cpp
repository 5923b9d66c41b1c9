// The image format inspector on any bytes: it ends, does not throw, and what it calls safe has no reference to another file that a plain search finds.
#include <cstdlib>

#include "image/domain/inspect.h"

namespace {
class Bytes final : public pilvi::image::Source {
public:
    explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
    std::uint64_t size() const override { return bytes_.size(); }
    std::string read(std::uint64_t offset, std::size_t size) const override {
        return offset >= bytes_.size() ? std::string() : std::string(bytes_.substr(static_cast<std::size_t>(offset), size));
    }

private:
    std::string_view bytes_;
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const pilvi::image::Finding found = pilvi::image::inspect(Bytes(text));
    for (const char* declared : {"raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso"}) {
        const std::string why = pilvi::image::refusal(found, declared, "bare", false);
        if (!found.unsafe.empty() && why.empty()) std::abort();
    }
    if (text.starts_with("QFI\xfb") && size >= 16 && found.unsafe.empty())
        for (std::size_t i = 8; i < 16; ++i)
            if (data[i] != 0) std::abort();  // a backing file
    return 0;
}
