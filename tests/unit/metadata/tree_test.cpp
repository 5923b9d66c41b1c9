#include <doctest/doctest.h>

#include "base/text.h"
#include "tree.h"

using namespace pilvi;
using namespace pilvi::metadata;

namespace {

json::object server() {
    return parse_json(R"({
      "project_id": "p1",
      "meta_data": {"uuid": "u1", "name": "web", "hostname": "web.novalocal", "availability_zone": "nova", "launch_index": 0, "project_id": "p1",
                    "meta": {"role": "www"}, "keys": [{"name": "mine", "type": "ssh", "data": "ssh-rsa AAAA me"}], "devices": [], "dedicated_cpus": []},
      "user_data": "IyEvYmluL3NoCg==",
      "vendor_data": {"a": 1}, "vendor_data2": {"static": {}},
      "network_data": {"links": [], "networks": [], "services": []},
      "ec2": {"ami-id": "ami-00000001", "instance-id": "i-00000001", "reservation-id": "r-1", "instance-type": "m1.tiny", "local-ipv4": "10.0.0.11",
              "public-ipv4": "", "security-groups": ["default", "web"], "kernel-id": null, "ramdisk-id": null,
              "block-device-mapping": {"ami": "vda", "root": "/dev/vda"}}})")
        .as_object();
}

std::string get(const json::object& document, std::string_view path) {
    auto segments = path_segments(path);
    if (!segments) return "400";
    auto answer = lookup(document, *segments, "seed");
    return answer ? answer->body : "404";
}

}  // namespace

TEST_CASE("paths are taken as the original normalises them") {
    CHECK(path_segments("/")->empty());
    CHECK(*path_segments("/openstack/latest/") == std::vector<std::string>{"openstack", "latest"});
    CHECK(*path_segments("//latest//meta-data/./x/../") == std::vector<std::string>{"latest", "meta-data"});
    CHECK(path_segments("/../../..")->empty());
    CHECK(*path_segments("/%6fpenstack") == std::vector<std::string>{"openstack"});
    CHECK_FALSE(path_segments("/%zz"));
    CHECK_FALSE(path_segments("/a%00b"));
}

TEST_CASE("the OpenStack tree") {
    json::object document = server();
    CHECK(get(document, "/openstack") ==
          "2012-08-10\n2013-04-04\n2013-10-17\n2015-10-15\n2016-06-30\n2016-10-06\n2017-02-22\n2018-08-27\n2020-10-14\nlatest");
    CHECK(get(document, "/openstack/latest") == "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json\nvendor_data2.json");
    CHECK(get(document, "/openstack/2012-08-10") == "meta_data.json\nuser_data");
    CHECK(get(document, "/openstack/2013-10-17/") == "meta_data.json\nuser_data\npassword\nvendor_data.json");
    CHECK(get(document, "/openstack/latest/user_data") == "#!/bin/sh\n");
    CHECK(get(document, "/openstack/2012-08-10/vendor_data.json") == "404");
    CHECK(get(document, "/openstack/2015-10-15/vendor_data2.json") == "404");
    CHECK(get(document, "/openstack/2018-08-27/vendor_data2.json") == R"({"static":{}})");
    CHECK(get(document, "/openstack/2018-08-27/network_data.json") == R"({"links":[],"networks":[],"services":[]})");
    for (const char* missing : {"/openstack/2018-08-28", "/openstack/latest/meta_data", "/openstack/latest/meta_data.json/x", "/openstack/content",
                                "/openstack/content/0000", "/openstack/latest/content"}) {
        CHECK_MESSAGE(get(document, missing) == "404", missing);
    }
    document["user_data"] = nullptr;
    CHECK(get(document, "/openstack/latest/user_data") == "404");
    CHECK(get(document, "/openstack/2012-08-10") == "meta_data.json");
}

TEST_CASE("meta_data.json grows with its versions") {
    json::object document = server();
    json::object oldest = parse_json(get(document, "/openstack/2012-08-10/meta_data.json")).as_object();
    CHECK(oldest.at("uuid") == "u1");
    CHECK(oldest.at("hostname") == "web.novalocal");
    CHECK(oldest.at("meta").at("role") == "www");
    CHECK(oldest.at("public_keys").at("mine") == "ssh-rsa AAAA me");
    CHECK_FALSE(oldest.contains("random_seed"));
    CHECK_FALSE(oldest.contains("project_id"));
    json::object newest = parse_json(get(document, "/openstack/latest/meta_data.json")).as_object();
    CHECK(newest.at("random_seed").as_string() == base64_encode("seed"));
    CHECK(newest.at("project_id") == "p1");
    CHECK(newest.contains("devices"));
    CHECK(newest.contains("dedicated_cpus"));
    CHECK_FALSE(parse_json(get(document, "/openstack/2018-08-27/meta_data.json")).as_object().contains("dedicated_cpus"));
    document.at("meta_data").as_object()["meta"] = json::object{};
    document.at("meta_data").as_object()["keys"] = json::array{};
    json::object bare = parse_json(get(document, "/openstack/latest/meta_data.json")).as_object();
    CHECK_FALSE(bare.contains("meta"));
    CHECK_FALSE(bare.contains("keys"));
    CHECK_FALSE(bare.contains("public_keys"));
}

TEST_CASE("the EC2 tree") {
    json::object document = server();
    CHECK(root_listing() == "1.0\n2007-01-19\n2007-03-01\n2007-08-29\n2007-10-10\n2007-12-15\n2008-02-01\n2008-09-01\n2009-04-04\nlatest");
    CHECK(get(document, "/ec2") == root_listing());
    CHECK(get(document, "/latest") == "meta-data/\nuser-data");
    CHECK(
        get(document, "/latest/meta-data/") ==
        "ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nhostname\ninstance-action\ninstance-id\ninstance-type\nlocal-hostname\n"
        "local-ipv4\nplacement/\npublic-hostname\npublic-ipv4\npublic-keys/\nreservation-id\nsecurity-groups");
    CHECK(get(document, "/1.0/meta-data") ==
          "ami-id\nami-launch-index\nami-manifest-path\nhostname\ninstance-id\nlocal-ipv4\npublic-keys/\nreservation-id\nsecurity-groups");
    CHECK(get(document, "/latest/meta-data/instance-id") == "i-00000001");
    CHECK(get(document, "/latest/meta-data/ami-launch-index") == "0");
    CHECK(get(document, "/latest/meta-data/security-groups") == "default\nweb");
    CHECK(get(document, "/latest/meta-data/public-keys/") == "0=mine");
    CHECK(get(document, "/latest/meta-data/public-keys/0/") == "openssh-key");
    CHECK(get(document, "/latest/meta-data/public-keys/0/openssh-key") == "ssh-rsa AAAA me");
    CHECK(get(document, "/latest/meta-data/placement/availability-zone") == "nova");
    CHECK(get(document, "/latest/meta-data/block-device-mapping/root") == "/dev/vda");
    CHECK(get(document, "/latest/user-data") == "#!/bin/sh\n");
    for (const char* missing : {"/2009-04-05", "/latest/dynamic", "/latest/meta-data/kernel-id", "/latest/meta-data/instance-id/x",
                                "/latest/meta-data/security-groups/default", "/1.0/meta-data/instance-type"}) {
        CHECK_MESSAGE(get(document, missing) == "404", missing);
    }
}
