"""The resources that both servers serve, with their fields and OData types."""

RESOURCES = {
    "Property": {
        "table": "listings",
        "key": "ListingKey",
        "fields": {
            "ListingKey": "Edm.String",
            "ListPrice": "Edm.Decimal",
            "BedroomsTotal": "Edm.Int32",
            "PublicRemarks": "Edm.String",
            "StandardStatus": "Edm.String",
            "ListingContractDate": "Edm.Date",
            "NewConstructionYN": "Edm.Boolean",
            "Latitude": "Edm.Double",
            "PhotosCount": "Edm.Int32",
            "ModificationTimestamp": "Edm.DateTimeOffset",
        },
    },
    "Media": {
        "table": "media",
        "key": "MediaKey",
        "fields": {
            "MediaKey": "Edm.String",
            "ResourceRecordKey": "Edm.String",
            "ResourceName": "Edm.String",
            "MediaURL": "Edm.String",
            "Order": "Edm.Int32",
            "ModificationTimestamp": "Edm.DateTimeOffset",
        },
    },
    "Member": {
        "table": "members",
        "key": "MemberKey",
        "fields": {
            "MemberKey": "Edm.String",
            "MemberFullName": "Edm.String",
            "ModificationTimestamp": "Edm.DateTimeOffset",
        },
    },
}
