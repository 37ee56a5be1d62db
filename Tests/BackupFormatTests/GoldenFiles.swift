/// What the original writes for ``Sample/backup``, composed by hand from its rules.
enum Golden {
    static let backup = #"{"id":"5b0c","state_code":0,"name":"nightly","size":4196,"milvus_version":"v2.6.11"}"#

    private static let schema = #"""
        "schema":{"name":"items","description":"1 \u003c 2","fields":[
        {"fieldID":100,"name":"pk","is_primary_key":true,"data_type":5,"autoID":true},
        {"fieldID":101,"name":"emb","data_type":101,"type_params":[{"key":"dim","value":"128"}],
        "index_params":[{"key":"metric_type","value":"L2"}]},
        {"fieldID":102,"name":"note","description":"a \"note\"","data_type":21,
        "type_params":[{"key":"max_length","value":"64"},{}],
        "is_partition_key":true,"nullable":true,"default_value_base64":"MgJoaQ=="},
        {"fieldID":103,"name":"tags","data_type":22,"element_type":21},
        {"fieldID":104,"name":"sparse","data_type":104,"is_function_output":true},
        {"fieldID":105,"name":"$meta","data_type":23,"is_dynamic":true}],
        "enable_dynamic_field":true,"properties":[{"key":"mmap.enabled","value":"true"}],
        "functions":[{"name":"bm25","id":1000,"description":"words","type":1,"input_field_names":["note"],
        "input_field_ids":[102],"output_field_names":["sparse"],"output_field_ids":[104],
        "params":[{"key":"k","value":"v"}]}],
        "struct_array_fields":[{"fieldID":106,"name":"chunks","description":"parts",
        "fields":[{"fieldID":107,"name":"text","data_type":22}]}]}
        """#

    private static let indexes = #"""
        "index_infos":[{"field_name":"emb","index_name":"emb_index","index_type":"HNSW",
        "params":{"M":"16","efConstruction":"200","index_type":"HNSW","metric_type":"L2"},"index_id":449577050,
        "field_id":101,"create_time":18446744073709551615,"type_params":[{"key":"dim","value":"128"}],
        "index_params":[{"key":"index_type","value":"HNSW"}],"user_index_params":[{"key":"M","value":"16"}],
        "is_auto_index":true,"min_index_version":1,"max_index_version":6}]
        """#

    private static let segments = #"""
        {"segment_id":449577100,"collection_id":449577001,"partition_id":449577002,"num_of_rows":10,
        "binlogs":[
        {"binlogs":[
        {"log_path":"files/insert_log/449577001/449577002/449577100/0/1","log_size":512,"log_id":1},
        {"log_path":"files/insert_log/449577001/449577002/449577100/0/2","log_size":0,"log_id":2}]},
        {"fieldID":1,"binlogs":[
        {"log_path":"files/insert_log/449577001/449577002/449577100/1/3","log_size":512,"log_id":3}]},
        {"fieldID":100,"binlogs":[
        {"log_path":"files/insert_log/449577001/449577002/449577100/100/9223372036854775807",
        "log_size":2560,"log_id":9223372036854775807}]}],
        "deltalogs":[{}],"size":3584,"group_id":449577100,
        "v_channel":"by-dev-rootcoord-dml_0_449577001v0","storage_version":2},
        {"segment_id":449577102,"collection_id":449577001,"partition_id":449577002,
        "deltalogs":[{"binlogs":[
        {"log_path":"files/delta_log/449577001/449577002/449577102/8","log_size":100,"log_id":8}]}],
        "size":100,"group_id":449577102,"is_l0":true}
        """#

    private static let collectionHead = #"""
        "id":"5b0c","collection_id":449577001,"db_name":"default","collection_name":"items",
        """#

    private static let collectionTail = #"""
        "properties":[{"key":"collection.ttl.seconds","value":"60"}],
        "db_id":1,"created_timestamp":452984000000000000,
        "virtual_channel_names":["by-dev-rootcoord-dml_0_449577001v0"],
        "physical_channel_names":["by-dev-rootcoord-dml_0"],"aliases":["things"]
        """#

    private static let emptyCollection = #"""
        {"collection_id":449577900,"db_name":"db2","collection_name":"empty","size":0,"has_index":false,
        "load_state":"NotLoad"}
        """#

    private static let channels = #"""
        "load_state":"Loaded","backup_physical_timestamp":1728000000,
        "channel_checkpoints":{"by-dev-rootcoord-dml_0_449577001v0":"Ch5ieS1k"},
        """#

    private static let barePartitions = #"""
        {"partition_id":449577002,"partition_name":"_default","collection_id":449577001,"size":3684,
        "load_state":"Loaded"},
        {"partition_id":449577003,"partition_name":"novel","collection_id":449577001,"size":0}
        """#

    static let collections = compact(
        #"""
        {"infos":[{\#(collectionHead)\#(schema),
        "shards_num":1,"consistency_level":2,
        "partition_backups":[\#(barePartitions)],
        "backup_timestamp":452984832000000001,"size":4196,"has_index":true,\#(indexes),
        \#(channels)\#(collectionTail)},
        \#(emptyCollection)]}
        """#)

    static let partitions = compact(#"{"infos":[\#(barePartitions)]}"#)

    static let segmentFile = compact(#"{"infos":[\#(segments)]}"#)

    static let full = compact(
        #"""
        {"id":"5b0c","state_code":0,"name":"nightly",
        "collection_backups":[{\#(collectionHead)\#(schema),
        "shards_num":1,"consistency_level":2,
        "partition_backups":[
        {"partition_id":449577002,"partition_name":"_default","collection_id":449577001,
        "segment_backups":[\#(segments)],"size":3684,"load_state":"Loaded"},
        {"partition_id":449577003,"partition_name":"novel","collection_id":449577001,"size":0}],
        "backup_timestamp":452984832000000001,"size":4196,"has_index":true,\#(indexes),
        \#(channels)
        "l0_segments":[{"segment_id":449577101,"collection_id":449577001,"partition_id":-1,
        "deltalogs":[{"binlogs":[
        {"log_path":"files/delta_log/449577001/-1/449577101/7","log_size":512,"log_id":7}]}],
        "size":512,"is_l0":true}],
        \#(collectionTail)},
        \#(emptyCollection)],
        "size":4196,"milvus_version":"v2.6.11",
        "rbac_meta":{
        "users":[{"user":"alice","password":"$2a$10$x","roles":[{"name":"reader"},{"name":"writer"}]}],
        "roles":[{"name":"reader"},{"name":"writer"}],
        "grants":[
        {"role":{"name":"reader"},"object":{"name":"Collection"},"object_name":"*",
        "grantor":{"user":{"name":"root"},"privilege":{"name":"Search"}},"db_name":"default"},
        {"role":{},"object":{},"grantor":{"user":{},"privilege":{}}}],
        "privilege_groups":[{"group_name":"ops","privileges":[{"name":"Load"},{"name":"Release"}]}]},
        "rpc_channel_info":{"name":"by-dev-replicate-msg","position":"CAEQ"},
        "database_backups":[{"db_name":"default","db_id":1},
        {"db_name":"db2","db_id":2,"properties":[{"key":"cipher.key","value":"k\u003c1\u003e"}],"ezk":"ezk=="}],
        "flush_all_msgs_base64":{"by-dev-rootcoord-dml_0":"QQ==","by-dev-rootcoord-dml_1":"Qg=="},
        "control_channel_name":"by-dev-rootcoord-dml_0_vcchan",
        "physical_channel_names":["by-dev-rootcoord-dml_0","by-dev-rootcoord-dml_1"]}
        """#)

    private static let briefItems = #"""
        {\#(collectionHead)\#(schema),"shards_num":1,
        "backup_timestamp":452984832000000001,"size":4196,"has_index":true,\#(indexes),
        \#(channels)
        "properties":[{"key":"collection.ttl.seconds","value":"60"}]}
        """#

    /// The brief of a finished task.
    static let brief = compact(
        #"""
        {"id":"5b0c","state_code":2,"start_time":1728000000,"end_time":1728000031,"progress":100,"name":"nightly",
        "collection_backups":[\#(briefItems),\#(emptyCollection)],
        "size":4196,"milvus_version":"v2.6.11",
        "rpc_channel_info":{"name":"by-dev-replicate-msg","position":"CAEQ"},
        "database_backups":[{"db_name":"default","db_id":1},
        {"db_name":"db2","db_id":2,"properties":[{"key":"cipher.key","value":"k\u003c1\u003e"}],"ezk":"ezk=="}],
        "meta_size":9120}
        """#)
}
